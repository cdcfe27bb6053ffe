"""bAbI's archive: read in memory, whatever it holds."""

import gzip
import hashlib
import io
import random
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradnoise_reference_models.data import DataError
from gradnoise_reference_models.data import _babi_archive as archive
from gradnoise_reference_models.data._babi_archive import read_archive

CONTENT = {"a.txt": b"1 Mary moved.\n", "b.txt": b"2 Where?\n" * 100}
SHA = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


GOOD = [member("tasks/README", b"?")] + [member(f"tasks/en/{n}", c) for n, c in CONTENT.items()]


def packed(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def read(content: bytes) -> dict[str, bytes]:
    return read_archive(io.BytesIO(content), "x.tar.gz", SHA, remedy="Replace it.")


def test_the_files_of_the_folder_en_are_read_wherever_it_lies() -> None:
    assert read(packed(GOOD)) == CONTENT
    assert read(packed([member(f"en/{n}", c) for n, c in reversed(CONTENT.items())])) == CONTENT
    assert read(packed([member(f"./a/b/en/{n}", c) for n, c in CONTENT.items()])) == CONTENT


def test_what_follows_the_last_file_is_not_read() -> None:
    whole = packed([*GOOD, member("big", random.Random(0).randbytes(1 << 16))])
    assert read(whole[: len(whole) // 2]) == CONTENT


HOSTILE = {
    "a file left out": (GOOD[:-1], "must hold en/b.txt, got an archive without 1 of its files"),
    "in another folder": (
        [member(f"en-10k/{n}", c) for n, c in CONTENT.items()],
        "must hold en/a.txt, got an archive without 2 of its files",
    ),
    "no member": ([], "must hold en/a.txt"),
    "altered": ([member("en/a.txt", b"1 John moved.\n")], "'en/a.txt' must have raw bytes of SHA"),
    "absolute": ([member("/etc/en/a.txt", CONTENT["a.txt"])], "must hold relative paths"),
    "dots": ([member("../en/a.txt", CONTENT["a.txt"])], "must hold relative paths"),
    "dots in a file that is not wanted": (
        [member("x/../../y", b""), *GOOD],
        "must hold relative paths without .., got the member 'x/../../y'",
    ),
    "a symbolic link": (
        [member("en/a.txt", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
        "must be a plain file",
    ),
    "a hard link": (
        [member("en/a.txt", type=tarfile.LNKTYPE, linkname="en/b.txt")],
        "must be a plain file",
    ),
    "a device": ([member("en/a.txt", type=tarfile.CHRTYPE)], "must be a plain file"),
    "a folder": ([member("en/a.txt", type=tarfile.DIRTYPE)], "must be a plain file"),
    "a size that is not there": (
        [member("en/a.txt", b"", pax_headers={"size": "999999"})],
        "x.tar.gz` m",
    ),
    "a negative size": (
        [member("en/c.txt", b"", pax_headers={"size": "-2048"}), *GOOD],
        "got one that leads back",
    ),
    "a size that is no number": (
        [member("en/a.txt", b"", pax_headers={"size": "many"}), *GOOD],
        "x.tar.gz` m",
    ),
    "a sparse file": (
        [member("en/a.txt", b"", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": "9"})],
        "must be a plain file",
    ),
    "a huge header": ([member("en/" + "a" * (2 << 20), b"")], "must hold headers of 0 to"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_by_name_and_writes_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    members, rule = HOSTILE[kind]
    with pytest.raises(DataError) as refusal:
        read(packed(members))
    text = str(refusal.value)
    assert text.startswith("`x.tar.gz` m")
    assert rule in text
    assert text.endswith("Replace it.")
    assert list(tmp_path.iterdir()) == []


def test_a_huge_member_is_refused_from_its_header() -> None:
    zeros = bytes(archive.LARGEST + 1)
    with pytest.raises(DataError, match="must have at most 1048576 bytes, got 1048577"):
        read(packed([member("en/a.txt", zeros)]))
    # One that is not wanted is passed over.
    assert read(packed([member("en-10k/a.txt", zeros), *GOOD])) == CONTENT


def test_a_bomb_is_refused_without_filling_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "TOTAL", 64 << 20)
    bomb = packed([member("bomb", bytes(80 << 20)), *GOOD])
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="must unpack to at most 67108864 bytes"):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


DAMAGED = {
    "empty": b"",
    "text": b"1 Mary moved.\n",
    "a plain tar": gzip.decompress(packed(GOOD)),
    "gzip of no tar": gzip.compress(b"x" * 2000),
    "gzip of nothing": gzip.compress(b""),
    "cut in the header": packed(GOOD)[:20],
    "cut": packed([member("c", random.Random(0).randbytes(1 << 14)), *GOOD])[:9000],
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_is_refused_by_name(kind: str) -> None:
    with pytest.raises(DataError, match=r"^`x\.tar\.gz` must "):
        read(DAMAGED[kind])


@given(st.integers(0, 10_000), st.integers(1, 255), st.booleans(), st.integers(0, 10_000))
def test_a_changed_byte_is_harmless_or_refused(at: int, flip: int, inside: bool, cut: int) -> None:
    """`inside`: in the tar, below a gzip that is intact; otherwise in the gzip itself."""
    content = bytearray(gzip.decompress(packed(GOOD)) if inside else packed(GOOD))
    content[at % len(content)] ^= flip
    del content[len(content) - cut % (len(content) // 8) :]
    changed = gzip.compress(bytes(content), mtime=0) if inside else bytes(content)
    try:
        found: object = read(changed)
    except DataError as error:
        found = str(error)
    assert found == CONTENT or str(found).startswith("`x.tar.gz` m")
