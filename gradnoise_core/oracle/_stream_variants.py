"""Wrong variants of the stream, each in one decision.

A program whose numbers are those of a variant makes that variant's mistake.
"""

import dataclasses
import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradnoise_core.oracle._scipy import special
from gradnoise_core.oracle._stream_port import MASK, Port, blake2b, leaf_text, table
from gradnoise_core.random import quantile_table

__all__ = ["VARIANTS", "Wrong"]


def _little(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _cut(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text).digest()[:8], "big")


def _sha256(text: bytes) -> int:
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big")


def _low_word(text: bytes) -> int:
    return blake2b(text) & MASK


def _exact(words: Any) -> Any:
    return special().ndtri((words.astype(np.float64) + 0.5) / 2.0**32).astype(np.float32)


def _no_half(words: Any) -> Any:
    u = np.maximum(words.astype(np.float64), 1.0) / 2.0**32
    return special().ndtri(u).astype(np.float32)


def _24_bits(words: Any) -> Any:
    return special().ndtri(((words >> np.uint32(8)) + 0.5) / 2.0**24).astype(np.float32)


def _signed_words(words: Any) -> Any:
    return table(words ^ np.uint32(1 << 31))


def _no_interpolation(words: Any) -> Any:
    a, _ = quantile_table()
    sign = words >> np.uint32(31) == 1
    m = np.where(sign, ~words, words)
    bits = (m.astype(np.float32) + np.float32(0.5)).view(np.uint32).astype(np.int64)
    z = a[(bits >> 14) - (126 << 9)]
    return np.where(sign, z, -z)


def _truncating_conversion(words: Any) -> Any:
    """Convert to float32 by cutting the bits that do not fit, not by rounding to nearest."""
    a, b = quantile_table()
    sign = words >> np.uint32(31) == 1
    y = np.where(sign, ~words, words).astype(np.float64) + 0.5
    near = y.astype(np.float32)
    cut = np.where(near > y, np.nextafter(near, np.float32(0)), near).astype(np.float32)
    bits = cut.view(np.uint32).astype(np.int64)
    segment = (bits >> 14) - (126 << 9)
    z = a[segment] + (bits >> 2 & 4095).astype(np.float32) * b[segment]
    return np.where(sign, z, -z)


@dataclass(frozen=True)
class Wrong:
    """A wrong variant: its name, what is wrong with it, and where it comes from."""

    name: str
    mistake: str
    port: Port
    source: str = "likely slip"


def _wrong(name: str, mistake: str, source: str = "likely slip", **fields: Any) -> Wrong:
    return Wrong(name, mistake, dataclasses.replace(Port(), **fields), source)


#: Each differs from the right port in one decision.
VARIANTS: tuple[Wrong, ...] = (
    _wrong(
        "words-swapped",
        "even elements take the second word of a block, odd ones the first",
        word=lambda i: ~i & np.uint64(1),
    ),
    _wrong("twelve-rounds", "Threefry has 12 rounds: it must have 20", rounds=12),
    _wrong(
        "thirteen-rounds",
        "Threefry has 13 rounds: it must have 20",
        "Random123's faster variant",
        rounds=13,
    ),
    _wrong(
        "wrong-rotation",
        "a rotation of Threefry is 23: it must be 24",
        rotations=(13, 15, 26, 6, 17, 29, 16, 23),
    ),
    _wrong(
        "rotations-do-not-alternate",
        "all rounds of Threefry rotate by 13, 15, 26, 6",
        rotations=(13, 15, 26, 6),
    ),
    _wrong("no-parity", "the constant 0x1BD11BDA is missing from the key schedule", parity=0),
    _wrong(
        "skein-parity",
        "the key schedule has a half of Skein's older constant, 0x55555555",
        "Threefish before version 1.3",
        parity=0x55555555,
    ),
    _wrong(
        "injections-not-counted",
        "the number of the key injection is not added to the second word",
        injects_count=False,
    ),
    _wrong("leaf-id-little-endian", "the leaf's digest is read little-endian", leaf_id=_little),
    _wrong(
        "leaf-digest-cut",
        "the leaf's digest is cut to 8 bytes: digest_size=8 makes another one",
        leaf_id=_cut,
    ),
    _wrong("leaf-id-sha256", "the leaf's digest is SHA-256, not BLAKE2b", leaf_id=_sha256),
    _wrong("leaf-id-32-bits", "the high word of the leaf's digest is dropped", leaf_id=_low_word),
    _wrong(
        "domain-ignored",
        "the domain does not reach the key",
        text=lambda domain, path: leaf_text("gradient-noise", path),
    ),
    _wrong(
        "domain-joined-by-slash",
        "domain and path are joined by '/', not by a zero byte",
        text=lambda domain, path: f"{domain}/{path}".encode(),
    ),
    _wrong(
        "path-ignored",
        "the path does not reach the key: all leaves get the same noise",
        "jax PR#3646 (key reused across leaves)",
        text=lambda domain, path: leaf_text(domain, ""),
    ),
    _wrong(
        "path-with-dots",
        "the path's parts are joined by '.', not by '/'",
        "the names of torch's parameters",
        text=lambda domain, path: leaf_text(domain, path.replace("/", ".")),
    ),
    _wrong(
        "path-normalized",
        "the path is normalized (NFC) before it is hashed",
        text=lambda domain, path: leaf_text(domain, unicodedata.normalize("NFC", path)),
    ),
    _wrong(
        "path-in-utf-16",
        "the path is hashed in UTF-16, not in UTF-8",
        text=lambda domain, path: domain.encode() + b"\0" + path.encode("utf-16-le"),
    ),
    _wrong(
        "path-ascii-only",
        "what is not ASCII is lost from the path",
        text=lambda domain, path: leaf_text(domain, path.encode("ascii", "replace").decode()),
    ),
    _wrong(
        "seed-32-bits",
        "the high word of the seed is dropped",
        "jax.random.key without 64-bit types",
        seed_words=lambda s: (0, s & MASK),
    ),
    _wrong(
        "seed-words-swapped",
        "the low word of the seed comes before the high one",
        seed_words=lambda s: (s & MASK, s >> 32),
    ),
    _wrong("step-32-bits", "the high word of the step is dropped", step=lambda t: t & MASK),
    _wrong(
        "step-31-bits",
        "the step is read as a signed number",
        step=lambda t: t | (MASK << 32 if t >> 31 == 1 else 0),
    ),
    _wrong(
        "step-in-float32",
        "the step passes through float32, which counts to 2**24",
        "a float32 counter, as in TensorFlow 1's beta powers",
        step=lambda t: min(int(np.float32(t)), (1 << 64) - 1),
    ),
    _wrong(
        "step-ignored",
        "the step does not reach the key: all steps get the same noise",
        step=lambda t: 0,
    ),
    _wrong(
        "step-from-one",
        "the step is counted from 1",
        "Chainer's hook on a rule",
        step=lambda t: t + 1 & (1 << 64) - 1,
    ),
    _wrong("step-before-leaf", "the step is folded into the key before the leaf", step_first=True),
    _wrong(
        "counters-swapped",
        "the low word of a number that is folded in comes before the high one",
        counted=lambda n: (n & MASK, n >> 32),
    ),
    _wrong(
        "element-32-bits",
        "the element's position wraps around at 2**32",
        element=lambda i: i & np.uint64(MASK),
    ),
    _wrong(
        "element-31-bits",
        "the element's position wraps around at 2**31",
        element=lambda i: i & np.uint64(MASK >> 1),
    ),
    _wrong("block-32-bits", "the high word of the block's counter is always 0", low_only=True),
    _wrong(
        "block-words-swapped",
        "the low word of the block's counter comes before the high one",
        counter_swapped=True,
    ),
    _wrong(
        "one-block-an-element",
        "element i takes block i, not block i // 2",
        block=lambda i: i,
        word=lambda i: i & np.uint64(0),
    ),
    _wrong(
        "start-ignored",
        "elements are counted from the start of the block, not of the leaf: each shard gets the "
        "same noise",
        "torch FSDP2 with one seed on all ranks",
        whole=False,
    ),
    _wrong(
        "column-major",
        "elements are counted in column-major order",
        "MATLAB, Julia, Fortran",
        order="F",
    ),
    _wrong(
        "replicas-alike",
        "all replicas get the noise of the first seed",
        replica=lambda seeds, r: seeds[0],
    ),
    _wrong(
        "replica-added-to-seed",
        "replica r gets the noise of the first seed + r, not of its own seed",
        "PulseOpt (seed + 1009 * group + index)",
        replica=lambda seeds, r: seeds[0] + r & (1 << 64) - 1,
    ),
    _wrong(
        "exact-quantile",
        "normals are the exact quantile, rounded: the table's differ in their last bits",
        "likely slip",
        normal=_exact,
    ),
    _wrong(
        "quantile-without-half",
        "normals are the quantile of u / 2**32: 1/2 must be added to u",
        normal=_no_half,
    ),
    _wrong(
        "quantile-of-24-bits",
        "normals are made of the top 24 bits of a word",
        "torch.rand, random123's u01 in float",
        normal=_24_bits,
    ),
    _wrong(
        "word-read-as-signed",
        "the word's top bit is read the wrong way round: every normal has the other tail's value",
        normal=_signed_words,
    ),
    _wrong(
        "sign-flipped",
        "every normal has the wrong sign",
        normal=lambda words: -table(words),
    ),
    _wrong(
        "no-interpolation",
        "normals are the table's entries, without interpolation",
        normal=_no_interpolation,
    ),
    _wrong(
        "conversion-cuts",
        "words are converted to float32 by cutting bits, not by rounding to nearest",
        normal=_truncating_conversion,
    ),
)
