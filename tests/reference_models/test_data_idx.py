"""The reader of IDX files: what is not the file that was asked for is refused by name."""

import gzip
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradnoise_reference_models.data import DataError
from gradnoise_reference_models.data._idx import IdxFile, checked_array, parse_idx, read_idx

SHAPE = (3, 2, 4)
ELEMENTS = bytes(range(100, 100 + math.prod(SHAPE)))
RAW = bytes.fromhex("00000803 00000003 00000002 00000004") + ELEMENTS
GOOD = np.arange(100, 124, dtype=np.uint8).reshape(SHAPE)
FILE = IdxFile("some-images-idx3-ubyte", SHAPE, hashlib.sha256(RAW).hexdigest())
ZIPPED = gzip.compress(RAW, mtime=0)


@pytest.mark.parametrize("content", [RAW, ZIPPED], ids=["plain", "gz"])
def test_a_good_file_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE.name
    path.write_bytes(content)
    array = read_idx(path, FILE, remedy="")
    np.testing.assert_array_equal(array, GOOD)
    assert array.dtype == np.uint8


def _unzipped_checksum_broken() -> bytes:
    broken = bytearray(ZIPPED)
    broken[-8] ^= 1  # the CRC-32 in gzip's trailer
    return bytes(broken)


def _resized(shape: tuple[int, ...]) -> bytes:
    header = b"\0\0\x08" + bytes([len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    return header + ELEMENTS


BAD = {
    "empty": (b"", "must begin with 00 00 08 .* got an empty file"),
    "wrong magic": (b"\x89PNG" + RAW[4:], "must begin with 00 00 08 .* got 89 50 4e 47"),
    "floats": (b"\0\0\x0d" + RAW[3:], "must begin with 00 00 08 .* got 00 00 0d 03"),
    "no dimensions": (b"\0\0\x08\0", "must begin with 00 00 08 .* got 00 00 08 00"),
    "cut header": (RAW[:15], "must have a header of 16 bytes, got 15"),
    "cut data": (RAW[:-1], r"must have 40 bytes, as its header says \(3, 2, 4\), got 39"),
    "data too long": (RAW + b"\0", "must have 40 bytes, as its header says .* got 41"),
    "other shape": (_resized((3, 4, 2)), r"must have shape \(3, 2, 4\), got \(3, 4, 2\)"),
    "fewer dimensions": (_resized((3, 8)), r"must have shape \(3, 2, 4\), got \(3, 8\)"),
    "one pixel off": (RAW[:-1] + b"\0", f"must have raw bytes of SHA-256 {FILE.sha256}, got "),
    "gz cut": (ZIPPED[:-9], "must be an intact gzip file, got .* bytes"),
    "gz trailer cut": (ZIPPED[:-1], "must be an intact gzip file"),
    "gz wrong CRC": (_unzipped_checksum_broken(), "must be an intact gzip file, .*CRC"),
    "gz of more": (gzip.compress(RAW + bytes(10**6)), "must unpack to 40 bytes, got more"),
    "gz of less": (gzip.compress(RAW[:-1]), "must have 40 bytes, as its header says .* got 39"),
    "gz of noise": (gzip.compress(bytes(40)), "must begin with 00 00 08 .* got 00 00 00 00"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_by_name_with_rule_value_and_remedy(
    tmp_path: Path, kind: str
) -> None:
    content, message = BAD[kind]
    path = tmp_path / FILE.name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as refusal:
        read_idx(path, FILE, remedy="Fetch it again.")
    assert str(refusal.value).startswith(f"`{path}` must ")
    assert str(refusal.value).endswith(". Fetch it again.")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a good file that was cut, lengthened, or had bytes overwritten."""
    content = bytearray(draw(st.sampled_from([RAW, ZIPPED]), label="whole"))
    for _ in range(draw(st.integers(1, 3), label="wounds")):
        where = draw(st.integers(0, len(content)), label="where")
        bytes_ = draw(st.binary(max_size=6), label="bytes")
        how = draw(st.sampled_from(["cut", "insert", "overwrite", "remove"]), label="how")
        if how == "cut":
            del content[where:]
        elif how == "insert":
            content[where:where] = bytes_
        elif how == "overwrite":
            content[where : where + len(bytes_)] = bytes_
        else:
            del content[where : where + len(bytes_)]
    return bytes(content)


@given(content=damaged() | st.binary(max_size=64))
def test_whatever_happens_to_a_file_its_array_is_right_or_refused(content: bytes) -> None:
    try:
        array = checked_array(content, "file", FILE)
    except DataError:
        return
    np.testing.assert_array_equal(array, GOOD)


@given(
    content=st.binary(max_size=40)
    | st.builds(
        lambda n, rest: b"\0\0\x08" + bytes([n]) + rest, st.integers(0, 9), st.binary(max_size=60)
    )
    | st.builds(
        lambda lengths, rest: (
            b"\0\0\x08"
            + bytes([len(lengths)])
            + b"".join(n.to_bytes(4, "big") for n in lengths)
            + rest
        ),
        st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), min_size=1, max_size=4)
        | st.lists(st.integers(0, 1), min_size=1, max_size=255),
        st.binary(max_size=64),
    )
)
def test_the_parser_alone_returns_what_the_format_says_or_refuses(content: bytes) -> None:
    try:
        array = parse_idx(content)
    except DataError:
        return
    header = b"\0\0\x08" + bytes([array.ndim])
    header += b"".join(n.to_bytes(4, "big") for n in array.shape)
    assert header + array.tobytes() == content


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_the_parser_accepts_every_well_formed_file(shape: list[int]) -> None:
    elements = bytes(i % 256 for i in range(math.prod(shape)))
    header = b"\0\0\x08" + bytes([len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    array = parse_idx(header + elements)
    assert array.shape == tuple(shape)
    assert array.tobytes() == elements


@pytest.mark.parametrize("lengths", [[1] * 65, [0, 2**32 - 1, 2**32 - 1, 2**32 - 1]])
def test_a_shape_that_no_array_can_have_is_refused(lengths: list[int]) -> None:
    header = b"\0\0\x08" + bytes([len(lengths)]) + b"".join(n.to_bytes(4, "big") for n in lengths)
    with pytest.raises(DataError, match="must have a shape that an array can have"):
        parse_idx(header + bytes(math.prod(lengths)))


def test_a_header_that_promises_the_world_is_refused_without_reserving_it() -> None:
    huge = b"\0\0\x08\x04" + b"\xff" * 16
    with pytest.raises(DataError, match="must have 3402823"):  # near 2**128
        parse_idx(huge)
