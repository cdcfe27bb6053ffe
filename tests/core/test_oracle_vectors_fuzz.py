"""Damaged sets by the hundred: whatever the bytes, a verdict or the one documented error."""

import copy
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_cases import PUBLISHED, answer, entry_of, library_accepts

from gradnoise_core.oracle._report import Report
from gradnoise_core.oracle.vectors import (
    VectorsError,
    check_vectors,
    schema,
)
from gradnoise_core.oracle.vectors import _schema as validation
from gradnoise_core.oracle.vectors._json import canonical, parse
from gradnoise_core.oracle.vectors._npy import decode

NAME = "noise/leaves"
NAMES = [NAME, "words/scalar", "clipping/value/float32"]
FILE = "noise/leaves.out.first.npy"
DUE = PUBLISHED[NAME].outputs["first"].array


class Sample:
    """A small set to damage, and what is due of it: to read the published manifest takes longer."""

    def __init__(self, here: Path) -> None:
        self.reference = answer(here / "reference", {}, NAMES)
        self.target = here / "damaged"
        self.files = {
            path.relative_to(self.reference).as_posix(): path.read_bytes()
            for path in self.reference.rglob("*")
            if path.is_file()
        }
        self.manifest = json.loads(self.files["manifest.json"])

    def judge(self, changed: Mapping[str, bytes]) -> Report | VectorsError:
        """Judge the set with some files changed: a report, or the one documented error."""
        shutil.rmtree(self.target, ignore_errors=True)
        for name, data in {**self.files, **changed}.items():
            (self.target / name).parent.mkdir(parents=True, exist_ok=True)
            (self.target / name).write_bytes(data)
        found: Report | VectorsError
        try:
            found = check_vectors(self.target, self.reference, only=NAMES)
        except VectorsError as error:
            found = error
        str(found).encode("ascii")  # it can be printed anywhere
        return found


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return Sample(tmp_path_factory.mktemp("sample"))


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes with a part replaced, cut out, repeated or put in."""
    start = draw(st.integers(0, len(data)))
    stop = draw(st.integers(start, min(len(data), start + draw(st.sampled_from([0, 1, 4, 64])))))
    other = draw(st.integers(0, len(data)))
    piece = draw(
        st.one_of(
            st.binary(max_size=8),
            st.just(data[other : other + 40]),
            st.sampled_from(
                [b"", b"[", b"{", b'"', b"1e999", b"NaN", b"9" * 30, b"\\ud800", b"../"]
            ),
        )
    )
    return data[:start] + piece + data[stop:]


#: A value to put anywhere in a manifest.
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(
            [
                "../x.npy",
                "/dev/zero",
                "manifest.json",
                FILE,
                "object",
                ">f4",
                "bits",
                10**18,
                1.0,
                "x\n",
            ]
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """Return a copy of JSON with one or two of its nodes replaced, removed or added."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        node, key = value, None
        while isinstance(node, dict | list) and node:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = draw(st.sampled_from(keys))
            if draw(st.integers(0, 4)) == 0 or not isinstance(node[key], dict | list):
                break
            if not node[key]:
                break
            node = node[key]
        if key is None:
            break
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "replace":
            node[key] = draw(VALUES)
        elif action == "remove":
            del node[key]
        elif isinstance(node, dict):
            node[draw(st.sampled_from(["x", "", "tolerance", "file", "../x"]))] = draw(VALUES)
        else:
            node.append(draw(VALUES))
    return value


FUZZ = settings(max_examples=400)


class TestFuzz:
    """Whatever the bytes, there is a verdict or the one documented error, and nothing else."""

    @FUZZ
    @given(data=st.data())
    def test_the_bytes_of_the_manifest(self, sample: Sample, data: Any) -> None:
        sample.judge({"manifest.json": data.draw(damaged(sample.files["manifest.json"]))})

    @FUZZ
    @given(data=st.data())
    def test_the_structure_of_the_manifest(self, sample: Sample, data: Any) -> None:
        manifest = data.draw(changed(sample.manifest))
        sample.judge({"manifest.json": json.dumps(manifest).encode()})

    @FUZZ
    @given(data=st.data(), right=st.booleans())
    def test_the_bytes_of_an_array(self, sample: Sample, data: Any, right: bool) -> None:
        """With its SHA-256 made right, too: then it passes only if it holds the very array."""
        array = data.draw(damaged(sample.files[FILE]))
        manifest = copy.deepcopy(sample.manifest)
        if right:
            entry_of(manifest, NAME)["sha256"] = hashlib.sha256(array).hexdigest()
        report = sample.judge({FILE: array, "manifest.json": json.dumps(manifest).encode()})
        assert isinstance(report, Report)
        (claim,) = (c for c in report if c.name == NAME)
        if array == sample.files[FILE]:
            assert claim.passed
        elif not right:
            assert not claim.passed
        elif claim.passed:
            found = np.frombuffer(array[-24:], "<f4").reshape(2, 3)
            assert np.allclose(found, DUE, rtol=0, atol=1e-6)

    @FUZZ
    @given(st.binary(max_size=200))
    def test_any_bytes_for_an_array(self, data: bytes) -> None:
        for prefix in (b"", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x20\x00{'descr': '<f4',"):
            with pytest.raises(VectorsError):
                decode(prefix + data, "float32", (2, 3, 7))

    @FUZZ
    @given(
        st.one_of(
            st.binary(max_size=60), st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace"))
        )
    )
    def test_any_bytes_for_json(self, data: bytes) -> None:
        try:
            value = parse(data)
        except VectorsError:
            return
        assert canonical(value) == canonical(json.loads(data))


class TestSchema:
    def test_every_keyword_of_the_schema_is_known(self) -> None:
        def keywords(rules: Any) -> Iterator[str]:
            for key, rule in rules.items():
                yield key
                if key in ("properties", "$defs"):
                    for inner in rule.values():
                        yield from keywords(inner)
                elif key in ("items", "propertyNames") or (
                    key == "additionalProperties" and rule is not False
                ):
                    yield from keywords(rule)
                elif key == "anyOf":
                    for inner in rule:
                        yield from keywords(inner)

        assert set(keywords(schema())) <= {*validation._KEYWORDS, "additionalProperties"}

    @settings(max_examples=600)
    @given(data=st.data())
    def test_accepts_what_thelibrary_accepts(self, data: Any) -> None:
        """Ours, against jsonschema: they agree on what a manifest is."""
        vectors = {n: PUBLISHED.manifest["vectors"][n] for n in NAMES[:2]}
        value = data.draw(changed({**PUBLISHED.manifest, "vectors": vectors}))
        try:
            validation.validate(value)
        except VectorsError:
            ours = False
        else:
            ours = True
        # To Python's regular expressions "$" lets a newline follow; to the standard's it does not.
        if "x\\n" not in json.dumps(value):
            assert ours == library_accepts(value)
        assert library_accepts(value) or not ours
