"""The tool that tests the stream at scale: its words, its tests of normals, its records."""

import importlib.util
import io
import itertools
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gradnoise_core.random import TABLE_SHA256, leaf_key, standard_normal, words

stats = pytest.importorskip("scipy.stats")

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
SEED = 2**64 - 1


def _load(name: str, path: Path) -> ModuleType:
    """Return a file, or a folder with an ``__init__.py``, as a module."""
    package = path / "__init__.py"
    spec = importlib.util.spec_from_file_location(name, package if path.is_dir() else path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_load("quality_tool", ROOT / "tools" / "stream_quality")
tool = {
    name: importlib.import_module(f"quality_tool.{name}")
    for name in ("controls", "dieharder", "exact", "normals", "report", "tally", "words")
}


def first(source: str, count: int) -> Any:
    """Return the first words of a source as int32."""
    made = itertools.accumulate(tool["words"].SOURCES[source](SEED), lambda a, b: np.append(a, b))
    return next(w for w in made if w.size >= count)[:count]


class TestWords:
    def test_of_plain_are_those_of_one_leaf(self) -> None:
        n = (1 << 20) + 5  # into the second block
        found = first("plain", n)
        assert np.array_equal(found, words(leaf_key(SEED, "layers/0/weight", 0), (n,)))

    def test_of_interleaved_take_every_leaf_and_step_in_turn(self) -> None:
        found = first("interleaved", 4096 * 64 * 16 + 1024).reshape(-1, 64, 16)
        paths = [f"layers/{i}/{name}" for i in range(32) for name in ("weight", "bias")]
        for leaf, path in enumerate(paths):
            expected = words(leaf_key(SEED, path, np.arange(16)), (4096,))
            assert np.array_equal(found[:4096, leaf].T, expected), path
            for step in (16, 31):
                word = words(leaf_key(SEED, path, step), (1,))[0]
                assert found[4096, leaf, step - 16] == word

    @pytest.mark.parametrize("source", ["plain", "interleaved"])
    def test_are_written_little_endian_until_the_pipe_is_closed(self, source: str) -> None:
        command = [sys.executable, "-m", "tools.stream_quality", "words"]
        with subprocess.Popen(
            [*command, "--seed", str(SEED), "--source", source],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            read = process.stdout.read(4 * 1_500_000)
            process.stdout.close()
            complaint = process.stderr.read()
        assert np.array_equal(np.frombuffer(read, "<i4"), first(source, 1_500_000))
        assert complaint == b""
        assert process.returncode == 0

    def test_are_written_whole_where_little_is_taken_at_once(self) -> None:
        class Narrow(io.RawIOBase):
            taken = b""

            def write(self, data: Any) -> int:
                if len(self.taken) > 4500:
                    raise BrokenPipeError
                self.taken += bytes(data[:999])
                return min(len(data), 999)

        out = Narrow()
        blocks = [first("plain", 1000), first("plain", 1000).astype(">i4")]
        tool["words"].write(iter(blocks), out)
        assert out.taken == (2 * blocks[0].astype("<i4").tobytes())[: len(out.taken)]
        assert len(out.taken) == 4 * 999 + 4 + 999


class TestControls:
    def test_two_rounds_are_the_cipher_cut_short(self) -> None:
        found = next(tool["controls"].two_rounds(7)).reshape(-1, 2)
        mask = 2**32 - 1
        for i in (0, 1, 12345, 2**18):
            x, y = 0, (i + 7) & mask
            for r in (13, 15):
                x = (x + y) & mask
                y = (y << r & mask | y >> 32 - r) ^ x
            assert found[i].tolist() == [x, y]

    def test_congruential_is_the_recurrence_across_blocks(self) -> None:
        found = np.concatenate(list(itertools.islice(tool["controls"].congruential(7), 2)))
        before = np.concatenate([np.array([7], np.uint32), found[:-1]])
        assert np.array_equal(found, before * np.uint32(1664525) + np.uint32(1013904223))

    def test_shifted_steps_repeat_a_word_of_another_step(self) -> None:
        found = next(tool["controls"].shifted_steps(SEED)).reshape(-1, 64, 16)
        assert np.array_equal(found[1:, :, :-1], found[:-1, :, 1:])
        assert np.array_equal(found[:, 1, 0], words(leaf_key(SEED, "layers/0/bias", 0), (1024,)))


@pytest.fixture(scope="module")
def normals() -> Any:
    """A million normals of the stream."""
    return standard_normal(leaf_key(1, "layers/0/weight", 0), (10**6,))


class TestTally:
    def test_puts_a_value_on_a_border_into_the_cell_that_begins_there(self) -> None:
        k: Any = np.array([-6815744, -1048577, -1, 0, 1, 3, 6815743], dtype=np.float32)
        border = k / np.float32(2**20)
        below = np.nextafter(border[1:], np.float32(-np.inf))
        below[2] = -(2.0**-50)  # below zero there are far smaller floats than the stream has
        values = np.concatenate([border, below, np.array([-7, 7], np.float32)])
        found = np.flatnonzero(tool["tally"].tally(values).cells) - 6815744
        expected = {*k.astype(int), *(k[1:] - 1).astype(int), -6815744, 6815743}
        assert found.tolist() == sorted(expected)

    def test_sums_powers_without_loss(self, normals: Any) -> None:
        values = normals[:20_000]  # three pieces
        found = tool["tally"].tally(values).sums
        for power, total in enumerate(found, 1):
            exact = [Fraction(float(v)) ** power for v in values]
            scale = float(sum(map(abs, exact)))
            assert abs(total - float(sum(exact))) <= 2.0**-39 * scale

    def test_of_parts_joined_is_that_of_the_whole(self, normals: Any) -> None:
        tally, join = tool["tally"].tally, tool["tally"].join
        whole, parts = tally(normals), join([tally(normals[:300_001]), tally(normals[300_001:])])
        assert np.array_equal(whole.cells, parts.cells)
        assert whole.sums == pytest.approx(parts.sums, rel=1e-12)
        assert (whole.size, whole.smallest, whole.largest) == (
            parts.size,
            parts.smallest,
            parts.largest,
        )


class TestChecks:
    def test_pass_the_stream(self, normals: Any) -> None:
        assert tool["exact"].checks(tool["tally"].tally(normals))["passed"]

    @pytest.mark.parametrize(
        ("what", "wrong"),
        [
            ("variance 1 % off", lambda z: z * np.float32(1.01**0.5)),
            ("cut off at 4", lambda z: z[np.abs(z) < 4]),
            ("mean off by 0.01", lambda z: z + np.float32(0.01)),
            ("one tail on the wrong side", lambda z: np.where(z > 3.5, -z, z)),
            ("one in a hundred is zero", lambda z: np.where(np.arange(z.size) % 100, z, 0)),
            ("one is not a number", lambda z: np.where(np.arange(z.size) == 5, np.nan, z)),
        ],
    )
    def test_fail_what_is_no_normal_sample(self, normals: Any, what: str, wrong: Any) -> None:
        found = tool["tally"].tally(wrong(normals).astype(np.float32))
        assert not tool["exact"].checks(found)["passed"], what

    def test_bound_the_exact_distance(self, normals: Any) -> None:
        for values in (normals, -normals):  # the largest gap is above, and below
            found = tool["exact"].distance(tool["tally"].tally(values))
            exact = stats.kstest(values.astype(np.float64), "norm", method="asymp")
            assert found["at_least"] <= exact.statistic <= found["at_most"]
            assert found["at_most"] - found["at_least"] < 3.9e-7
            assert found["p_at_least"] <= exact.pvalue <= found["p_at_most"]

    def test_score_moments_by_the_spread_that_samples_have(self) -> None:
        z = np.random.default_rng(0).standard_normal((1000, 500))
        for k in range(1, 5):
            means = np.mean(z**k, axis=1)
            tally = tool["tally"].Tally(500, None, (0.0,) * 8, 0.0, 0.0)
            row = tool["exact"].moments(tally)[k - 1]
            assert np.mean(means) == pytest.approx(row["expected"], abs=0.1)
            # The standard deviation of 1,000 such means, known to 2 %; E z**2 is no such thing.
            assert np.std(means) == pytest.approx(row["standard_error"], rel=0.1)

    def test_count_tails_with_binomial_p_values(self, normals: Any) -> None:
        p = stats.norm.sf(3.0)
        pmf = [math.comb(3000, k) * p**k * (1 - p) ** (3000 - k) for k in range(40)]
        for values in normals[:12_000].reshape(4, -1):
            rows = tool["exact"].tails(tool["tally"].tally(values))
            assert [(r["beyond"], r["side"]) for r in rows[:2]] == [(3.0, "below"), (3.0, "above")]
            for row, count in zip(rows, (np.sum(values < -3), np.sum(values >= 3)), strict=False):
                assert row["count"] == count
                two_sided = 2 * min(sum(pmf[: count + 1]), 1 - sum(pmf[:count]))
                assert row["p"] == pytest.approx(min(1.0, two_sided), rel=1e-6)


class TestSample:
    def test_is_of_the_leaf_step_after_step(self) -> None:
        found = tool["normals"].sample(SEED, 2500, chunk=1000)
        sizes = enumerate((1000, 1000, 500))
        drawn = [standard_normal(leaf_key(SEED, "layers/0/weight", t), (n,)) for t, n in sizes]
        expected = tool["tally"].tally(np.concatenate(drawn))
        assert np.array_equal(found.cells, expected.cells)
        assert found.sums == pytest.approx(expected.sums, rel=1e-12)

    def test_interrupted_is_the_one_that_never_stopped(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        module, state, drawn = tool["normals"], tmp_path / "state.npz", []
        step_tally = module.step_tally

        def interrupted(at: tuple[int, int, int]) -> Any:
            drawn.append(at[1])
            if drawn == [0, 1, 2]:
                raise KeyboardInterrupt
            return step_tally(at)

        monkeypatch.setattr(module, "step_tally", interrupted)
        monkeypatch.setattr(module, "PAUSE", 0.0)
        with pytest.raises(KeyboardInterrupt):
            module.sample(SEED, 3500, state=state, chunk=1000)
        found = module.sample(SEED, 3500, state=state, chunk=1000)
        assert drawn == [0, 1, 2, 2, 3]
        expected = module.sample(SEED, 3500, chunk=1000)
        assert np.array_equal(found.cells, expected.cells)
        assert found[2:] == expected[2:]
        with pytest.raises(ValueError, match="is of another run"):
            module.sample(SEED - 1, 3500, state=state, chunk=1000)

    def test_of_the_command_line_and_of_processes_is_the_same(self, tmp_path: Path) -> None:
        out = tmp_path / "found.json"
        command = [sys.executable, "-m", "tools.stream_quality", "normals", "--count", "3e5"]
        command += ["--processes", "2", "--state", str(tmp_path / "state"), "--json", str(out)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        found = json.loads(out.read_text("utf-8"))
        expected = tool["normals"].findings(1, 300_000, tool["normals"].sample(1, 300_000))
        assert found == {"command": found["command"], **expected}


#: What dieharder printed in resolving an ambiguity, under our notes; the p-values of the first
#: round and one name of a test are made up.
REPORT = """\
# kind: retest
# source: plain
# seed: 1
# command: python -m tools.stream_quality words --source plain --seed 1 | dieharder -d 102 -k 2
#=============================================================================#
#            dieharder version 3.31.1 Copyright 2003 Robert G. Brown          #
#=============================================================================#
   rng_name    |num|rands/second|   Seed   |
stdin_input_raw|  0|  2.39e+07  | 508250832|
#=============================================================================#
        test_name   |num|ntup| tsamples |psamples|  p-value |Assessment
#=============================================================================#
          sts_serial|102|  15|    100000|     100|0.95227920|  PASSED  
          sts_serial|102|  16|    100000|     100|0.99984439|   WEAK   
          sts_serial|102|  16|    100000|     100|0.93927667|  PASSED  
          sts_serial|102|  15|    100000|     200|0.77097079|  PASSED  
          sts_serial|102|  16|    100000|     200|0.88856967|  PASSED  
          sts_serial|102|  16|    100000|     200|0.00000000|  FAILED  
# seconds: 21
"""


class TestReport:
    def test_is_read(self) -> None:
        run = tool["report"].parse(REPORT)
        assert run.version == "3.31.1"
        assert run.notes["command"].endswith("dieharder -d 102 -k 2")
        assert len(run.results) == 6
        weak = ("sts_serial", 102, 16, 100_000, 100, 0.99984439, "WEAK")
        assert tuple(run.results[1]) == weak

    def test_is_counted_at_its_last_round(self) -> None:
        found = tool["report"].summary(tool["report"].parse(REPORT))
        assert (found["tests"], found["PASSED"], found["WEAK"], found["FAILED"]) == (3, 2, 0, 1)
        assert (found["seed"], found["seconds"], len(found["results"])) == (1, 21, 6)

    def test_of_a_battery_lists_what_did_not_pass(self) -> None:
        battery = tool["report"].parse(REPORT.replace("kind: retest", "kind: battery"))
        found = tool["report"].summary(battery)
        assert [r["assessment"] for r in found["results"]] == ["WEAK", "FAILED"]

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("# seconds: 21\n", ""),
            ("# seed: 1\n", ""),
            ("|0.88856967|", "|     nan|"),
            ("  FAILED  ", "  ODD  "),
            ("dieharder version", "a version"),
        ],
    )
    def test_cut_short_or_odd_is_refused(self, old: str, new: str) -> None:
        assert old in REPORT
        with pytest.raises(ValueError, match=r"must be whole|not understood"):
            tool["report"].parse(REPORT.replace(old, new))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dieharder that takes 4 kB and prints what stands in a file; the folder it is in."""
    printed = "\n".join(REPORT.splitlines()[4:-1])
    (tmp_path / "printed").write_text(printed + "\n", "utf-8")
    program = tmp_path / "dieharder"
    # The shell itself must not hold the pipe open: `exec` would, were there more to come.
    program.write_text(f'#!/bin/sh\nhead -c 4096 >/dev/null\ncat "{tmp_path}/printed"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


class TestDieharder:
    def test_is_recorded_whole_and_not_repeated(self, fake: Path) -> None:
        folder = fake / "out"
        run = tool["dieharder"].battery("interleaved", 3, folder)
        text = (folder / "interleaved-seed-3.txt").read_text("utf-8")
        lines = text.splitlines()
        source = "python -m tools.stream_quality words --source interleaved --seed 3"
        assert lines[3] == f"# command: {source} | dieharder -a -g 200 -D default -D show_num"
        assert "\n".join(lines[4:-1]) == "\n".join(REPORT.splitlines()[4:-1])
        (fake / "printed").write_text("nothing\n", "utf-8")
        assert tool["dieharder"].battery("interleaved", 3, folder) == run

    def test_that_fails_leaves_no_report(self, fake: Path) -> None:
        with (fake / "dieharder").open("a", encoding="utf-8") as program:
            program.write("exit 3\n")
        with pytest.raises(RuntimeError, match="gave 3"):
            tool["dieharder"].battery("plain", 1, fake / "out")
        assert not list((fake / "out").glob("*.txt"))

    def test_is_repeated_on_both_seeds_where_it_did_not_pass(self, fake: Path) -> None:
        folder = fake / "out"
        run = tool["dieharder"].battery("plain", 2, folder)
        tool["dieharder"].retest(run, folder)
        names = {path.stem for path in folder.glob("*-retest-*")}
        again = "plain-seed-2-retest-102-16-seed"
        assert names == {f"{again}-2", f"{again}-1002"}
        tool["dieharder"].summarise(folder, fake / "summary.json")
        found = json.loads((fake / "summary.json").read_text("utf-8"))
        kinds = [(run["kind"], run["seed"]) for run in found]
        assert sorted(kinds) == [("battery", 2), ("retest", 2), ("retest", 1002)]
        assert all("-d 102 -k 2 -Y 1 -g 200" in r["command"] for r in found if r["seed"] == 1002)

    def test_refuses_another_stream(self, fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        report = type("Report", (), {"passed": False})
        monkeypatch.setattr(tool["dieharder"], "check_stream_bits", lambda _: report)
        with pytest.raises(RuntimeError, match="does not draw version 1"):
            tool["dieharder"].battery("plain", 1, fake / "out")


class TestRecords:
    def test_of_dieharder_are_summarised_as_they_are(self, tmp_path: Path) -> None:
        tool["dieharder"].summarise(to=tmp_path / "summary.json")
        found = (tmp_path / "summary.json").read_text("utf-8")
        assert found == (RESULTS / "dieharder.json").read_text("utf-8")
        runs = json.loads(found)
        assert {r["source"] for r in runs if r["kind"] == "battery"} <= set(tool["words"].SOURCES)
        assert {r["source"] for r in runs if r["FAILED"]} == set(tool["controls"].CONTROLS)

    def test_of_normals_are_of_this_table_and_pass(self) -> None:
        found = json.loads((RESULTS / "normals-1e10.json").read_text("utf-8"))
        assert (found["table"], found["count"]) == (TABLE_SHA256, 10**10)
        assert found["alpha"] == tool["exact"].ALPHA
        assert tool["exact"].passed(found)


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """The extension of the documentation."""
    pytest.importorskip("sphinx")
    return _load("quality_pages", ROOT / "docs" / "_ext" / "stream_quality.py")


class TestTables:
    @pytest.fixture
    def runs(self, fake: Path) -> list[dict[str, Any]]:
        run = tool["dieharder"].battery("plain", 2, fake / "out")
        tool["dieharder"].retest(run, fake / "out")
        runs = tool["dieharder"].recorded(fake / "out")
        return [tool["report"].summary(r) for r in runs]

    def test_show_each_doubt_with_its_repetitions(
        self, pages: ModuleType, runs: list[dict[str, Any]]
    ) -> None:
        _, rows = pages.doubts(runs)
        again = "0.88856967 passed, 0.00000000 failed"
        first = ("plain", "2", "sts_serial 16")
        assert [tuple(row) for row in rows] == [
            (*first, "0.99984439", "weak", again, again),
            (*first, "0.00000000", "failed", again, again),
        ]

    def test_say_which_source_was_not_run(
        self, pages: ModuleType, runs: list[dict[str, Any]]
    ) -> None:
        _, rows = pages.batteries(runs)
        assert [row[:3] for row in rows] == [
            ["interleaved", "no run yet", ""],
            ["plain", "2", "3"],
            ["all", "", "3"],
        ]
        assert tuple(pages.SOURCES) == tuple(tool["words"].SOURCES)

    def test_refuse_a_doubt_that_was_not_repeated(
        self, pages: ModuleType, runs: list[dict[str, Any]]
    ) -> None:
        with pytest.raises(ValueError, match="was not repeated"):
            pages.doubts([run for run in runs if run["seed"] == 2])

    def test_refuse_controls_that_pass(self, pages: ModuleType, runs: list[dict[str, Any]]) -> None:
        bad = {**runs[0], "kind": "control", "source": "bad"}
        head, rows = pages.controls([bad])
        assert (head, rows) == (("failed of", "sts_serial"), [["bad", "1 of 3"]])
        with pytest.raises(ValueError, match="must fail"):
            pages.controls([bad, {**bad, "source": "good", "FAILED": 0}])

    def test_refuse_normals_of_another_table(self, pages: ModuleType) -> None:
        found = json.loads((RESULTS / "normals-1e10.json").read_text("utf-8"))
        for part in (pages.distance, pages.moments, pages.tails):
            head, rows = part(found)
            assert all(len(row) == len(head) for row in rows)
            with pytest.raises(ValueError, match="run the tool again"):
                part({**found, "table": "another"})
