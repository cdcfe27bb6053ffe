"""Sets that strangers made: corrupt, truncated, hostile. Each is refused with a clear message."""

import io
import os
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_cases import PUBLISHED, answer, edit, entry_of, library_accepts, put

from gradnoise_core.oracle.vectors import (
    VectorClaim,
    VectorsError,
    VectorSet,
    check_vectors,
    published_vectors,
)
from gradnoise_core.oracle.vectors._errors import quoted
from gradnoise_core.oracle.vectors._json import DEEPEST, LARGEST, parse
from gradnoise_core.oracle.vectors._npy import DESCRIPTIONS, decode, encode

NAME = "noise/leaves"
NAMES = [NAME, "words/scalar", "clipping/value/float32"]
FILE = "noise/leaves.out.first.npy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small set that passes."""
    return answer(tmp_path / "set", {}, NAMES)


def judge(folder: Path) -> VectorClaim:
    (claim,) = check_vectors(folder, only=[NAME])
    assert isinstance(claim, VectorClaim)
    return claim


def refusal(folder: Path) -> str:
    """Return why the vector's file is refused: it fails, and the others do not."""
    report = check_vectors(folder, only=NAMES)
    assert [claim.name for claim in report.failures] == [NAME]
    seen = report.failures[0].seen
    assert seen.startswith("refused: ")
    return seen


def write_manifest(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)


def test_the_set_passes_as_long_as_nothing_is_wrong(folder: Path) -> None:
    assert check_vectors(folder, only=NAMES).passed


class TestFolder:
    def test_that_is_none(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("")
        for wrong in (path, tmp_path / "absent", path / "below"):
            with pytest.raises(VectorsError, match="`folder` must be a folder"):
                check_vectors(wrong)

    def test_with_a_name_that_is_no_text(self) -> None:
        with pytest.raises(VectorsError, match="`folder` must be a folder"):
            check_vectors("a\0b")

    def test_that_is_a_circle_of_links(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to(tmp_path / "b")
        (tmp_path / "b").symlink_to(tmp_path / "a")
        with pytest.raises(VectorsError, match="`folder` must be a folder"):
            check_vectors(tmp_path / "a")

    def test_without_a_manifest(self, tmp_path: Path) -> None:
        with pytest.raises(VectorsError, match=r"manifest.json is missing"):
            check_vectors(tmp_path)

    def test_that_is_a_link_to_a_set_is_one(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(folder)
        assert check_vectors(tmp_path / "link", only=NAMES).passed


#: What is done to the text of a manifest, and what is said of it.
TEXTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b"", r"is no JSON: Expecting value, at line 1, column 1"),
    "truncated": (lambda b: b[: len(b) // 2], r"is no JSON"),
    "trailing": (lambda b: b + b"{}", r"is no JSON: Extra data"),
    "latin-1": (
        lambda b: b.replace(b"gradnoise-core", b"gr\xe4dnoise"),
        r"is not UTF-8: byte \d+ ",
    ),
    "utf-16": (lambda b: b.decode().encode("utf-16"), r"is not UTF-8: byte 0 is 0xff"),
    "byte order mark": (lambda b: b"\xef\xbb\xbf" + b, r"is no JSON: Unexpected UTF-8 BOM"),
    "a key twice": (
        lambda b: b.replace(b'"format":', b'"format": "mine", "format":', 1),
        r"has the key 'format' twice",
    ),
    "a deep key twice": (
        lambda b: b.replace(b'"dtype":', b'"dtype": "float32", "dtype":', 1),
        r"has the key 'dtype' twice",
    ),
    "deep": (lambda b: b"[" * 100_000 + b"]" * 100_000, r"is nested more than 16 deep"),
    "a little too deep": (
        lambda b: b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        r"is nested more than 16 deep",
    ),
    "NaN": (lambda b: b.replace(b'"set_version": 1', b'"set_version": NaN'), r"holds 'NaN'"),
    "infinity": (
        lambda b: b.replace(b'"set_version": 1', b'"set_version": -Infinity'),
        r"holds '-Infinity', which is no finite number",
    ),
    "overflow": (
        lambda b: b.replace(b'"set_version": 1', b'"set_version": 1e999'),
        r"holds '1e999', which is no finite number",
    ),
    "digits": (
        lambda b: b.replace(b'"set_version": 1', b'"set_version": ' + b"9" * 10_000),
        r"has an integer of more than 20 digits",
    ),
    "too long": (lambda b: b + b" " * LARGEST, r"is \d+ bytes long, more than 8388608"),
    "a list": (lambda b: b"[]", r"breaks the schema: `/` must be of type object, got \[\]"),
    "a number": (lambda b: b"1", r"breaks the schema: `/` must be of type object, got 1"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_text_that_is_no_manifest(folder: Path, case: str) -> None:
    change, said = TEXTS[case]
    before = (folder / "manifest.json").read_bytes()
    after = change(before)
    assert after != before
    write_manifest(folder, after)
    with pytest.raises(VectorsError, match=f"^manifest.json {said}"):
        check_vectors(folder)


def entry(manifest: Any) -> Any:
    return entry_of(manifest, NAME)


#: What is done to a manifest, and the place and the rule that are named.
MANIFESTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "another format": (lambda m: m.update(format="mine"), r"`/format` must be 'gradnoise-vectors'"),
    "a later version": (
        lambda m: m.update(format_version=2),
        r"`/format_version` must be 1, got 2",
    ),
    "true for a version": (lambda m: m.update(format_version=True), r"`/format_version` must be 1"),
    "no version": (lambda m: m.pop("format_version"), r"must have the key 'format_version'"),
    "version 0": (lambda m: m.update(set_version=0), r"`/set_version` must be at least 1, got 0"),
    "half a version": (lambda m: m.update(set_version=1.5), r"must be of type integer, got 1.5"),
    "an unknown key": (lambda m: m.update(pickle="x"), r"`/` must have no key but .*'pickle'"),
    "no vectors": (lambda m: m.update(vectors={}), r"`/vectors` must have a number of keys of at "),
    "a list of vectors": (lambda m: m.update(vectors=[]), r"`/vectors` must be of type object"),
    "a name with a way out": (
        lambda m: m["vectors"].update({"../x": m["vectors"][NAME]}),
        r"`/vectors \(a key\)` must match .*'../x'",
    ),
    "a name with a newline": (
        lambda m: m["vectors"].update({"x\n": m["vectors"][NAME]}),
        r"must match .*'x\\n'",
    ),
    "a name that cannot be printed": (
        lambda m: m["vectors"].update({"\ud800": m["vectors"][NAME]}),
        r"must match .*'\\ud800'",
    ),
    "no outputs": (
        lambda m: m["vectors"][NAME].pop("outputs"),
        r"`/vectors/noise/leaves` must have the key 'outputs'",
    ),
    "empty outputs": (lambda m: m["vectors"][NAME].update(outputs={}), r"outputs` must have a num"),
    "a path upwards": (lambda m: entry(m).update(file="../secret.npy"), r"file` must match"),
    "a path in the middle": (lambda m: entry(m).update(file="a/../../b.npy"), r"file` must match"),
    "an absolute path": (lambda m: entry(m).update(file="/etc/passwd"), r"file` must match"),
    "a drive": (lambda m: entry(m).update(file="C:/x.npy"), r"file` must match"),
    "backslashes": (lambda m: entry(m).update(file="..\\x.npy"), r"file` must match"),
    "a hidden file": (lambda m: entry(m).update(file=".ssh/id"), r"file` must match"),
    "an empty part": (lambda m: entry(m).update(file="a//b"), r"file` must match"),
    "a null": (lambda m: entry(m).update(file="a\0b"), r"file` must match"),
    "a long path": (
        lambda m: entry(m).update(file="a" * 301),
        r"file` must have a length of at most",
    ),
    "objects": (lambda m: entry(m).update(dtype="object"), r"dtype` must be one of .*'object'"),
    "complex": (lambda m: entry(m).update(dtype="complex128"), r"dtype` must be one of"),
    "big-endian": (lambda m: entry(m).update(byte_order="big"), r"byte_order` must be 'little'"),
    "a negative length": (lambda m: entry(m).update(shape=[-1]), r"shape/0` must be at least 0"),
    "a huge length": (lambda m: entry(m).update(shape=[2**62]), r"shape/0` must be at most"),
    "many axes": (lambda m: entry(m).update(shape=[1] * 9), r"shape` must have a number of items"),
    "half a length": (lambda m: entry(m).update(shape=[2.5]), r"shape/0` must be of type integer"),
    "text for a length": (lambda m: entry(m).update(shape=["3"]), r"shape/0` must be of type"),
    "a short digest": (lambda m: entry(m).update(sha256="00"), r"sha256` must match"),
    "a loud digest": (lambda m: entry(m).update(sha256="A" * 64), r"sha256` must match"),
    "a negative tolerance": (
        lambda m: entry(m).update(tolerance={"float32": {"absolute": -1, "relative": 0}}),
        r"absolute` must be at least 0",
    ),
    "half a tolerance": (
        lambda m: entry(m).update(tolerance={"float32": {"absolute": 1}}),
        r"must have the key 'relative'",
    ),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_that_breaks_the_schema(folder: Path, case: str) -> None:
    change, said = MANIFESTS[case]
    edit(folder, lambda m: change(m) and None)
    with pytest.raises(VectorsError, match=f"^manifest.json breaks the schema: .*{said}"):
        check_vectors(folder)
    assert not library_accepts(parse((folder / "manifest.json").read_bytes())) or "\\n" in said


def header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    raw = text.encode("latin-1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(raw)) + raw + data


DUE = PUBLISHED[NAME].outputs["first"].array
DATA = DUE.astype("<f4").tobytes()
GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"


def saved(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def version_2() -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, DUE, version=(2, 0))
    return stream.getvalue()


#: What a file holds in place of the array, and what is said of it. Its SHA-256 is right.
FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", r"is no \.npy file"),
    "text": (b"0.1 0.2 0.3", r"is no \.npy file"),
    "a pickle": (b"\x80\x04\x95\x10\x00\x00\x00", r"is no \.npy file"),
    "an archive": (b"PK\x03\x04" + bytes(60), r"is no \.npy file"),
    "version 2": (version_2(), r"of version \[2, 0\], not 1\.0"),
    "its first bytes": (encode(DUE)[:8], r"is truncated within its header"),
    "half a header": (encode(DUE)[:40], r"is truncated within its header"),
    "no data": (encode(DUE)[:128], r"is truncated: 0 bytes of data, not 24"),
    "a byte less": (encode(DUE)[:-1], r"is truncated: 23 bytes of data, not 24"),
    "a byte more": (encode(DUE) + b"\0", r"is too long: 25 bytes of data, not 24"),
    "objects": (
        saved(np.array([[None] * 3] * 2), allow_pickle=True),
        r"holds Python objects \('\|O'\), which are never read",
    ),
    "big-endian": (saved(DUE.astype(">f4")), r"byte order '>', not little-endian \('<f4'\)"),
    "native order": (header(GOOD.replace("<", "="), DATA), r"byte order '=', not little-endian"),
    "float64": (saved(DUE.astype(np.float64)), r"has dtype '<f8', not '<f4'"),
    "integers": (saved(DUE.view(np.int32)), r"has dtype '<i4', not '<f4'"),
    "a structure": (
        header(GOOD.replace("'<f4'", "[('a', '<f4')]"), DATA),
        r"has a header that is not that of a plain array",
    ),
    "Fortran order": (saved(np.asfortranarray(DUE)), r"is in Fortran order"),
    "another shape": (saved(DUE.T.copy()), r"has shape \(3, 2\), not \(2, 3\)"),
    "one axis": (saved(DUE.reshape(-1)), r"has shape \(6\), not \(2, 3\)"),
    "an absurd shape": (header(GOOD.replace("3)", f"{2**80})"), DATA), r"has shape \(2, 1208925"),
    "code": (
        header(GOOD.replace("False", "__import__('os').abort()"), DATA),
        r"has a header that is not that of a plain array",
    ),
    "nested brackets": (header("(" * 900, DATA), r"has a header that is not"),
    "two shapes": (header(GOOD[:-2] + "'shape': (6,), }", DATA), r"has a header that is not"),
    "no shape": (header("{'descr': '<f4', 'fortran_order': False, }", DATA), r"has a header that"),
    "a long header": (header(GOOD + " " * 2000, DATA), r"is \d+ bytes long, more than|header of"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_not_the_array_described(folder: Path, case: str) -> None:
    data, said = FILES[case]
    seen = refusal(put(folder, NAME, data))
    assert seen.startswith(f"refused: {FILE} ")
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(seen)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + " " * 100 + "\n",
        GOOD.replace("'", '"'),
        GOOD.replace(", }", "}"),
        "{'shape': (2,3), 'fortran_order':False,'descr':'<f4'}",
        "{'shape': (2, 3,), 'descr': '<f4', 'fortran_order': False}\n",
    ],
)
def test_headers_as_other_writers_write_them_are_read(folder: Path, text: str) -> None:
    assert judge(put(folder, NAME, header(text, DATA))).passed


class TestFile:
    def test_with_another_digest(self, folder: Path) -> None:
        (folder / FILE).write_bytes(encode(DUE + np.float32(1)))
        assert "its SHA-256 differs from the manifest's" in refusal(folder)

    def test_that_is_missing(self, folder: Path) -> None:
        (folder / FILE).unlink()
        assert f"{FILE} is missing" in refusal(folder)

    def test_that_is_a_folder(self, folder: Path) -> None:
        (folder / FILE).unlink()
        (folder / FILE).mkdir()
        assert "is no regular file" in refusal(folder) or "cannot be read" in refusal(folder)

    def test_that_is_a_link_out_of_the_folder(self, folder: Path, tmp_path: Path) -> None:
        shutil.copy(folder / FILE, tmp_path / "secret.npy")
        (folder / FILE).unlink()
        (folder / FILE).symlink_to(tmp_path / "secret.npy")
        assert "is a link that leads out of the folder" in refusal(folder)

    def test_in_a_folder_that_is_a_link_out(self, folder: Path, tmp_path: Path) -> None:
        shutil.move(folder / "noise", tmp_path / "noise")
        (folder / "noise").symlink_to(tmp_path / "noise")
        assert "is a link that leads out of the folder" in refusal(folder)

    def test_that_is_a_link_within_the_folder_is_read(self, folder: Path) -> None:
        shutil.move(folder / FILE, folder / "array.npy")
        (folder / FILE).symlink_to(folder / "array.npy")
        assert judge(folder).passed

    def test_that_is_a_circle_of_links(self, folder: Path) -> None:
        (folder / FILE).unlink()
        (folder / FILE).symlink_to(folder / FILE)
        assert "cannot be read" in refusal(folder)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
    def test_that_is_a_pipe_is_not_waited_for(self, folder: Path) -> None:
        (folder / FILE).unlink()
        os.mkfifo(folder / FILE)
        assert "is no regular file" in refusal(folder)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
    def test_a_manifest_that_is_a_pipe(self, folder: Path) -> None:
        (folder / "manifest.json").unlink()
        os.mkfifo(folder / "manifest.json")
        with pytest.raises(VectorsError, match=r"manifest.json is no regular file"):
            check_vectors(folder)

    def test_a_manifest_that_is_a_link_out_of_the_folder(
        self, folder: Path, tmp_path: Path
    ) -> None:
        shutil.move(folder / "manifest.json", tmp_path / "manifest.json")
        (folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
        with pytest.raises(VectorsError, match="is a link that leads out of the folder"):
            check_vectors(folder)

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no permissions")
    def test_that_may_not_be_read(self, folder: Path) -> None:
        if os.geteuid() == 0:
            pytest.skip("the superuser may read everything")
        (folder / FILE).chmod(0)
        assert "cannot be read: 'Permission denied'" in refusal(folder)

    def test_that_is_huge_is_not_read(self, folder: Path) -> None:
        with (folder / FILE).open("wb") as file:
            file.truncate(1 << 40)  # sparse
        assert "bytes long, more than" in refusal(folder)

    def test_a_reader_of_a_set_alone_is_guarded_too(self, folder: Path) -> None:
        """Where no reference says the shape: it may not be absurd."""
        edit(folder, lambda m: entry(m).update(shape=[2**24] * 8) and None)
        with pytest.raises(VectorsError, match=r"would hold \d+ bytes, more than 16777216"):
            VectorSet(folder)[NAME]


def test_absurd_sizes_allocate_next_to_nothing(folder: Path) -> None:
    edit(folder, lambda m: entry(m).update(shape=[2**24] * 8) and None)
    put(folder, "words/scalar", header("{'descr': '<u4', 'fortran_order': False, 'shape': (1e9,)}"))
    with (folder / "noise" / "leaves.out.bias.npy").open("wb") as file:
        file.truncate(1 << 40)
    check_vectors(published_vectors(), only=["words/scalar"])  # what is kept for good is there
    tracemalloc.start()
    try:
        report = check_vectors(folder, only=NAMES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(report.failures) == 2
    assert peak < 30_000_000


class TestWriting:
    @pytest.mark.parametrize("dtype", DESCRIPTIONS)
    @pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0, 2)])
    def test_a_file_reads_back_and_numpy_reads_it(self, dtype: str, shape: Any) -> None:
        array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
        data = encode(array)
        assert len(data) % 64 == array.nbytes % 64
        for found in (decode(data, dtype, shape), np.load(io.BytesIO(data), allow_pickle=False)):
            assert found.dtype == array.dtype
            assert np.array_equal(found, array)
            assert found.shape == array.shape


def test_a_quotation_is_short_and_printable() -> None:
    for value in ("\ud800" * 1000, "\x1b[31m", {"é": list(range(1000))}, 10**300):
        text = quoted(value)
        assert len(text) < 90
        assert text.isascii()
        assert text.isprintable()
