"""The noise stream, version 1: pure functions of a key and an element's index.

A noise value is a pure function of (seed, domain, leaf path, step, element index). There is no
generator state: checkpoints hold a step count, ranks need no communication, and any shard
computes just its own elements, with the same bits on every array library and device.
"""

from gradnoise_core.random._keys import Key, fold_in, key, leaf_key
from gradnoise_core.random._normal import TABLE_SHA256, quantile_table, standard_normal
from gradnoise_core.random._words import words

__all__ = [
    "STREAM_VERSION",
    "TABLE_SHA256",
    "Key",
    "fold_in",
    "key",
    "leaf_key",
    "quantile_table",
    "standard_normal",
    "words",
]

#: The version of the stream: within one its bits never change.
STREAM_VERSION = 1
