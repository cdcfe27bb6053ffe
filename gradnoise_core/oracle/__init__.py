"""What makes this library a judge: published facts, and checks of implementations."""

from gradnoise_core.oracle._stream import (
    MILLION_NORMALS_SHA256,
    MILLION_WORDS_SHA256,
    StreamReport,
    check_stream_bits,
)

__all__ = [
    "MILLION_NORMALS_SHA256",
    "MILLION_WORDS_SHA256",
    "StreamReport",
    "check_stream_bits",
]
