"""Does an installation draw the stream's very numbers? A million of them, by their checksum."""

import hashlib
from typing import Any, NamedTuple

import numpy as np

from gradnoise_core.backend import Backend
from gradnoise_core.random import key, standard_normal, words
from gradnoise_core.typing import Device

__all__ = ["MILLION_NORMALS_SHA256", "MILLION_WORDS_SHA256", "StreamReport", "check_stream_bits"]

#: SHA-256 of the first 10**6 words under ``key(0)``, as little-endian int32.
MILLION_WORDS_SHA256 = "86fc51ccdcd1ca67bad1afd9d8b3d7b0a8b0ca74226bb929f139b85f35a07730"

#: SHA-256 of the first 10**6 normals under ``key(0)``, as little-endian float32.
MILLION_NORMALS_SHA256 = "dc34c6a0cc59682a2c7049661740128aeef3ddc2187eba4ee8dcf2f211d9a62b"


class StreamReport(NamedTuple):
    """Whether a backend drew version 1 of the stream."""

    words: bool
    normals: bool

    @property
    def passed(self) -> bool:
        """Whether both agree, to the bit."""
        return self.words and self.normals


def check_stream_bits(backend: Backend, device: Device = None) -> StreamReport:
    """Draw a million words and normals on a backend and compare their checksums.

    Parameters
    ----------
    backend : Backend
    device : optional
        Where to draw; the namespace's default device by default.

    Returns
    -------
    StreamReport

    Examples
    --------
    >>> import numpy
    >>> from gradnoise_core.backend import backend_for
    >>> check_stream_bits(backend_for(numpy)).passed
    True
    """
    drawn = words(key(0), (10**6,), xp=backend.namespace, device=device)
    normals = standard_normal(key(0), (10**6,), xp=backend.namespace, device=device)
    return StreamReport(
        _sha256(backend.to_numpy(drawn), "<i4") == MILLION_WORDS_SHA256,
        _sha256(backend.to_numpy(normals), "<f4") == MILLION_NORMALS_SHA256,
    )


def _sha256(values: Any, dtype: str) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, dtype=dtype).tobytes()).hexdigest()
