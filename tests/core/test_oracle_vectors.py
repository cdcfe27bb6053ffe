"""The published set: what it holds, that it is what the library computes, and that it never changes."""

import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from vector_cases import PUBLISHED

from gradnoise_core.optimizers import DIALECTS
from gradnoise_core.oracle.vectors import (
    SETS,
    VECTORS,
    VectorsError,
    check_vectors,
    matching,
    published_vectors,
    schema,
    write_vectors,
)
from gradnoise_core.oracle.vectors import _write as writing
from gradnoise_core.oracle.vectors._trajectories import VARIANTS

FOLDER = published_vectors()
MANIFEST = FOLDER / "manifest.json"

#: SHA-256 of the manifest, which has that of every file. A published set never changes.
DIGEST = "4be2e6bddf3c0116f58f7e944555f799c2ceffaa3057c68b58c7273b2a73ed66"

#: The families whose bytes no mathematical library has a part in.
EXACT = ("words", "normals", "clipping")


def files(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vectors(tmp_path_factory.mktemp("vectors") / "now")


class TestPublished:
    def test_never_changes(self) -> None:
        assert hashlib.sha256(MANIFEST.read_bytes()).hexdigest() == DIGEST

    def test_every_file_is_the_one_described_and_none_is_left_over(self) -> None:
        named = {"manifest.json"}
        for name, kind in itertools.product(PUBLISHED.names, ("inputs", "outputs")):
            for entry in PUBLISHED.entries(name, kind).values():
                assert PUBLISHED.array(entry).shape == entry.shape
                named.add(entry.file)
        assert set(files(FOLDER)) == named

    def test_is_small(self) -> None:
        assert sum(map(len, files(FOLDER).values())) < 2_000_000

    def test_keeps_to_the_schema(self) -> None:
        jsonschema.Draft202012Validator.check_schema(schema())
        jsonschema.validate(PUBLISHED.manifest, schema(), jsonschema.Draft202012Validator)

    def test_says_of_each_vector_all_that_a_port_needs(self) -> None:
        for vector in PUBLISHED.manifest["vectors"].values():
            assert {"description", "parameters", "inputs", "outputs"} == set(vector)
            assert all("tolerance" in entry for entry in vector["outputs"].values())

    def test_no_number_is_one_that_readers_of_json_round(self) -> None:
        def numbers(value: Any) -> Any:
            if isinstance(value, dict | list):
                for inner in value.values() if isinstance(value, dict) else value:
                    yield from numbers(inner)
            elif isinstance(value, int):
                yield value

        assert max(numbers(PUBLISHED.manifest)) < 2**53

    def test_numpy_reads_the_files_without_pickle(self) -> None:
        for name, content in files(FOLDER).items():
            if name.endswith(".npy"):
                array = np.load(io.BytesIO(content), allow_pickle=False)
                stream = io.BytesIO()
                np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
                assert stream.getvalue()[-array.nbytes :] == content[-array.nbytes :]

    def test_is_the_registry_in_its_order(self) -> None:
        assert PUBLISHED.names == list(VECTORS)
        assert {n.partition("/")[0] for n in VECTORS} == set(SETS)

    def test_has_every_optimizer_in_every_dialect(self) -> None:
        found = {tuple(n.split("/")[1:3]) for n in VECTORS if n.startswith("trajectories/")}
        assert found == {(name, dialect) for name, rows in DIALECTS.items() for dialect in rows}

    def test_gradients_span_seven_decades_and_do_not_depend_on_the_optimizer(self) -> None:
        hashes = set()
        for name in matching(PUBLISHED.names, ["trajectories"]):
            hashes.add(PUBLISHED.entries(name, "inputs")["gradients"].sha256)
            rate = PUBLISHED.manifest["vectors"][name]["parameters"]["rate"]
            assert rate["boundaries"] == [50]
            assert rate["values"][0] == pytest.approx(10 * rate["values"][1])
        assert len(hashes) == 1
        sizes = np.abs(PUBLISHED["trajectories/sgd/paper/plain"].inputs["gradients"]).max(axis=0)
        assert sizes.shape == (10,)
        assert np.allclose(np.log10(sizes[:8]), np.arange(-6, 2), atol=0.1)

    def test_has_weight_decay_wherever_an_optimizer_has(self) -> None:
        for name, rows in DIALECTS.items():
            if "weight_decay" in rows["paper"]:
                assert any("weight_decay" in v for v in VARIANTS[name].values()), name


class TestWriter:
    def test_computes_what_was_published(self, written: Path) -> None:
        report = check_vectors(written)
        assert report.passed, report

    def test_writes_the_published_bytes_where_no_mathematical_library_has_a_part(
        self, written: Path
    ) -> None:
        ours = json.loads((written / "manifest.json").read_text())["vectors"]
        for name in matching(PUBLISHED.names, EXACT):
            assert ours[name] == PUBLISHED.manifest["vectors"][name], name

    def test_says_of_the_others_what_was_published_but_for_the_bits(self, written: Path) -> None:
        def without_hashes(vectors: Any) -> Any:
            return json.loads(
                json.dumps(vectors), object_hook=lambda x: {**x, "sha256": "", "file": ""}
            )

        ours = json.loads((written / "manifest.json").read_text())
        assert without_hashes(ours["vectors"]) == without_hashes(PUBLISHED.manifest["vectors"])
        shared = ("format", "format_version", "set_version", "stream_version")
        assert all(ours[key] == PUBLISHED.manifest[key] for key in shared)

    def test_writes_the_same_bytes_in_another_process_without_numba(
        self, written: Path, tmp_path: Path
    ) -> None:
        code = (
            "import sys; from gradnoise_core.oracle.vectors import write_vectors; "
            "write_vectors(sys.argv[1])"
        )
        env = {**os.environ, "GRADNOISE_NUMBA": "0", "PYTHONHASHSEED": "7"}
        command = [sys.executable, "-c", code, str(tmp_path / "other")]
        subprocess.run(command, env=env, check=True, timeout=540)
        assert files(tmp_path / "other") == files(written)

    def test_refuses_a_folder_with_something_in_it(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("precious")
        with pytest.raises(VectorsError, match=r"`folder` must be new or empty"):
            write_vectors(tmp_path, only=["clipping"])
        assert files(tmp_path) == {"mine.txt": b"precious"}

    def test_refuses_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("precious")
        with pytest.raises(VectorsError, match="got a file"):
            write_vectors(path, only=["clipping"])
        assert path.read_text() == "precious"

    @pytest.mark.parametrize("exists", [True, False])
    def test_leaves_nothing_behind_when_it_fails(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
    ) -> None:
        folder = tmp_path / "deep" / "folder"
        if exists:
            folder.mkdir(parents=True)
        rename = Path.rename

        def fail(path: Path, target: Path) -> Any:
            if path.name == "words":
                raise OSError(28, "No space left on device")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", fail)
        with pytest.raises(OSError, match="No space"):
            write_vectors(folder, only=["clipping/value", "words/scalar"])
        assert folder.exists() == exists
        assert not exists or not any(folder.iterdir())

    def test_fills_an_empty_folder(self, tmp_path: Path) -> None:
        assert write_vectors(tmp_path, only=["clipping"]) == tmp_path
        assert check_vectors(tmp_path, only=["clipping"]).passed
        assert not any(p.name.startswith(".") for p in tmp_path.iterdir())

    def test_equal_arrays_share_a_file(self, written: Path) -> None:
        contents = list(files(written).values())
        assert len(set(contents)) == len(contents)

    def test_the_version_is_that_of_the_installation(self, written: Path) -> None:
        library = json.loads((written / "manifest.json").read_text())["library"]
        assert library == {"name": "gradnoise-core", "version": writing._version()}


class TestPatterns:
    @pytest.mark.parametrize(
        ("only", "found"),
        [
            (["words"], ["words/a", "words/b/c"]),
            (["words/b"], ["words/b/c"]),
            (["*/b"], ["words/b/c"]),
            (["words/b/c", "words/a"], ["words/a", "words/b/c"]),
            ([], ["words/a", "words/b/c", "other"]),
        ],
    )
    def test_match_names_and_their_beginnings(self, only: list[str], found: list[str]) -> None:
        assert matching(["words/a", "words/b/c", "other"], only) == found

    def test_that_match_nothing_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"`only` must match vectors, got 'word'"):
            write_vectors("unused", only=["words", "word"])

    def test_that_are_no_sequence_are_refused(self) -> None:
        with pytest.raises(TypeError, match="`only` must be a sequence"):
            write_vectors("unused", only="words")
