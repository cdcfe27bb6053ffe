"""The judge: what is right passes, and each wrong set fails at the element where it goes wrong."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vector_cases import PUBLISHED, answer, edit, entry_of, with_output

import gradnoise_core as gn
from gradnoise_core.backend import backend_for
from gradnoise_core.optimizers import DIALECTS
from gradnoise_core.oracle import _report
from gradnoise_core.oracle.vectors import (
    Vector,
    VectorClaim,
    VectorsError,
    check_vectors,
    published_vectors,
)
from gradnoise_core.oracle.vectors._compare import compare
from gradnoise_core.oracle.vectors._trajectories import VARIANTS, options, run
from gradnoise_core.oracle.vectors._vector import Arrays, Tolerance
from gradnoise_core.oracle.vectors._write import save

ADAM = "trajectories/adam/torch/plain"
WORDS = "words/elements"
NORMALS = "normals/elements"
VARIANCE = "schedules/annealed/paper"


def due(name: str) -> Any:
    """Return a copy of a vector's first output."""
    return np.array(next(iter(PUBLISHED[name].outputs.values())).array)


def judge(folder: Path, name: str) -> VectorClaim:
    (claim,) = check_vectors(folder, only=[name])
    assert isinstance(claim, VectorClaim)
    assert claim.name == name
    return claim


def test_the_published_set_passes_against_itself() -> None:
    report = check_vectors(published_vectors())
    assert report.passed
    assert [claim.name for claim in report] == PUBLISHED.names


class TestOneElement:
    """One element of one array is wrong by the least that counts: the vector fails there."""

    @pytest.mark.parametrize("name", [WORDS, NORMALS, "noise/sum/bfloat16", "noise/sum/float16"])
    def test_of_which_the_bits_count(self, tmp_path: Path, name: str) -> None:
        array = due(name)
        bits = array.view(f"u{array.itemsize}")
        bits[3, 5] ^= 1
        bits[3, 6] ^= 1
        claim = judge(answer(tmp_path, {name: array}), name)
        assert not claim.passed
        assert claim.index == (3, 5)
        assert "[3, 5] is " in claim.seen
        assert "to the bit" in claim.due
        assert f"2 of {array.size} elements differ" in claim.cause

    @pytest.mark.parametrize(
        ("name", "dtype"),
        [
            (ADAM, "float64"),
            (ADAM, "float32"),
            (VARIANCE, "float64"),
            ("clipping/norm/float32", "float32"),
            ("noise/sum/float64", "float64"),
        ],
    )
    def test_that_may_be_near(self, tmp_path: Path, name: str, dtype: str) -> None:
        (out, *_) = PUBLISHED[name].outputs.values()
        rule = out.tolerances[dtype]
        assert rule is not None
        index = tuple(n // 2 for n in out.array.shape)
        while not out.array[index] or not np.isfinite(out.array[index]):
            index = (*index[:-1], index[-1] - 1)
        number = float(out.array[index])
        limit = number + rule.absolute + rule.relative * abs(number)
        for factor, passed in ((0.99, True), (1.01, False)):
            array = out.array.astype(dtype)
            array[index] = number + factor * (limit - number)
            claim = judge(answer(tmp_path / str(factor), {name: array}), name)
            assert claim.passed == passed
            assert claim.index == (None if passed else index)

    def test_one_unit_in_the_last_place_past_the_tolerance(self) -> None:
        """At the limit exactly, where every operation of the rule is exact, and one unit past it."""
        rule = Tolerance(absolute=2.0**-40)
        array = np.ones(4)
        at = np.array([1.0, 1 + 2.0**-40, 1 - 2.0**-40, 1.0])
        assert compare(at, array, rule) is None
        past = at.copy()
        past[1] = np.nextafter(at[1], 2.0)
        found = compare(past, array, rule)
        assert found is not None
        assert found.index == (1,)
        assert found.count == 1

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
    def test_that_is_no_number_where_one_is_due(self, tmp_path: Path, value: float) -> None:
        array = due(ADAM)
        array[7, 2] = value
        claim = judge(answer(tmp_path, {ADAM: array}), ADAM)
        assert claim.index == (7, 2)
        assert f"is {value!r}" in claim.seen

    @pytest.mark.parametrize("value", [0.0, -np.inf, np.nan, np.finfo(np.float64).max])
    def test_that_is_a_number_where_an_infinity_is_due(self, tmp_path: Path, value: float) -> None:
        name = "clipping/global-norm/float64"
        array = due(name)
        where = tuple(int(i) for i in np.argwhere(array == np.inf)[0])
        array[where] = value
        claim = judge(answer(tmp_path, {name: array}), name)
        assert claim.index == where
        assert "inf" in claim.due

    def test_the_sign_of_zero_counts_in_bits_and_not_in_numbers(self) -> None:
        zero = np.zeros(1)
        assert compare(-zero, zero, None) is not None
        assert compare(-zero, zero, Tolerance()) is None

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("rule", [None, Tolerance(1.0, 1.0)])
    def test_a_signalling_nan_raises_no_alarm_but_that_it_differs(
        self, dtype: str, rule: Tolerance | None
    ) -> None:
        """Every NaN bit pattern is one that a file may hold."""
        words = np.zeros(3, f"u{np.dtype(dtype).itemsize}")
        words[1] = np.asarray(np.inf, dtype).view(words.dtype) + 1  # quiet is a bit further up
        signalling = words.view(dtype)
        found = compare(signalling, np.zeros(3, dtype), rule)
        assert found is not None
        assert (found.index, found.seen, found.count) == ((1,), "nan", 1)
        assert compare(signalling, signalling, rule) is None

    def test_of_a_scalar(self) -> None:
        found = compare(np.float32(1).reshape(()), np.float32(2).reshape(()), None)
        assert found is not None
        assert found.index == ()


class TestLikelyMistakes:
    def test_t_from_1(self, tmp_path: Path) -> None:
        vector = PUBLISHED[VARIANCE]
        steps = [int(t) for t in vector.parameters["steps"]]
        wrong = np.array([0.01 / (2 + t) ** 0.55 for t in steps])
        claim = judge(answer(tmp_path, {VARIANCE: wrong}), VARIANCE)
        assert claim.index == (0,)
        assert claim.due.startswith("0.01 ")

    def test_the_variance_as_standard_deviation(self, tmp_path: Path) -> None:
        vector = PUBLISHED[VARIANCE]
        variance = vector.outputs["variance"].array
        folder = save(tmp_path, {VARIANCE: with_output(vector, "standard_deviation", variance)})
        claim = judge(folder, VARIANCE)
        assert (claim.output, claim.index) == ("standard_deviation", (0,))

    @pytest.mark.parametrize("name", ["noise/steps", "noise/laws", "noise/sum/float32"])
    def test_noise_of_the_variance(self, tmp_path: Path, name: str) -> None:
        wrong = math.sqrt(0.01) * due(name)
        assert not judge(answer(tmp_path, {name: wrong}), name).passed

    def test_weight_noise_with_the_sign_of_gradient_noise(self, tmp_path: Path) -> None:
        vector = PUBLISHED["noise/weights"]
        given = vector.inputs["updates"]
        wrong = 2 * given - due("noise/weights")
        assert not judge(answer(tmp_path, {"noise/weights": wrong}), "noise/weights").passed

    def test_noise_before_clipping(self, tmp_path: Path) -> None:
        name = "noise/after-clipping"
        vector, given = PUBLISHED[name], PUBLISHED[name].inputs
        paths = vector.parameters["paths"]
        noise = gn.add_gradient_noise(0.01, 0.55, seed=3)
        chain = gn.chain(noise, gn.clip_by_global_norm(vector.parameters["limit"]))
        tree = {paths[n]: g for n, g in given.items()}
        wrong, _ = chain.update(tree, chain.init(tree))
        vectors = {name: vector}
        for n in given:
            vectors[name] = with_output(vectors[name], n, wrong[paths[n]])
        assert not judge(save(tmp_path, vectors), name).passed

    def test_the_sum_of_16_bits_rounded_twice(self, tmp_path: Path) -> None:
        name = "noise/sum/float16"
        given = PUBLISHED[name].inputs["gradients"]
        noise = due("noise/sum/float32") - PUBLISHED["noise/sum/float32"].inputs["gradients"]
        wrong = given + noise.astype(np.float16)
        assert not judge(answer(tmp_path, {name: wrong}), name).passed

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_torchs_epsilon_in_the_norm(self, tmp_path: Path, dtype: str) -> None:
        torch = pytest.importorskip("torch")
        name = f"clipping/global-norm/{dtype}"
        vector = PUBLISHED[name]
        rows = []
        for limit, *leaves in zip(
            vector.parameters["limits"], *vector.inputs.values(), strict=True
        ):
            params = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in leaves]
            for p, g in zip(params, leaves, strict=True):
                p.grad = torch.tensor(g, dtype=torch.float64)
            torch.nn.utils.clip_grad_norm_(params, limit)
            rows.append(params[0].grad.numpy())
        claim = judge(answer(tmp_path, {name: np.stack(rows).astype(dtype)}), name)
        assert claim.index is not None
        first = {"float32": "small-threshold", "float64": "threshold"}[dtype]
        assert vector.parameters["names"][claim.index[0]] == first

    def test_the_low_word_of_the_counter_alone(self, tmp_path: Path) -> None:
        """Elements from 2**33 on take those of the leaf's beginning."""
        wrong = due(WORDS)
        starts = [int(case["at"][0]) for case in PUBLISHED[WORDS].parameters["cases"]]
        row = starts.index(2**33 - 4)
        wrong[row, 4:] = wrong[0, :4]
        claim = judge(answer(tmp_path, {WORDS: wrong}), WORDS)
        assert claim.index == (row, 4)


class TestDialects:
    def test_anothers_trajectory_fails_and_is_named(self, tmp_path: Path) -> None:
        wrong = due("trajectories/adam/keras/plain")
        claim = judge(answer(tmp_path, {ADAM: wrong}), ADAM)
        assert not claim.passed
        assert claim.index == (0, 0)
        assert "this is trajectories/adam/keras/plain" in claim.cause

    def test_in_float64_all_that_differ_are_told_apart(self) -> None:
        for one, other in _neighbours():
            gap = np.abs(due(one) - due(other)).max()
            assert gap == 0 or compare(due(one), due(other), _rule(other, "float64")), (one, other)

    def test_in_float32_all_but_these_are(self) -> None:
        alike = {
            (one.split("/")[1], *sorted((one.split("/")[2], other.split("/")[2])))
            for one, other in _neighbours()
            if np.abs(due(one) - due(other)).max() > 0
            and not compare(due(one), due(other), _rule(other, "float32"))
        }
        assert alike == {
            ("adagrad", "optax", "tf1"),
            ("adagrad", "keras", "tf1"),
            ("adagrad", "chainer", "paper"),
            ("adagrad", "chainer", "torch"),
            ("adagrad", "mlx", "paper"),
            ("adagrad", "mlx", "torch"),
        }

    @pytest.mark.parametrize(
        ("optimizer", "keyword"), [(n, k) for n, rows in DIALECTS.items() for k in rows["paper"]]
    )
    def test_every_keyword_that_is_wrong_fails_some_vector(
        self, optimizer: str, keyword: str
    ) -> None:
        arrays = Arrays(backend_for(np))
        for dialect, variant in ((d, v) for v in VARIANTS[optimizer] for d in DIALECTS[optimizer]):
            right = options(optimizer, dialect, variant)
            value = right[keyword]
            other = _another(keyword, value)
            name = f"trajectories/{optimizer}/{dialect}/{variant}"
            path = run(arrays, optimizer, {**right, keyword: other})
            if compare(path, due(name), _rule(name, "float64")):
                return
        pytest.fail(f"no vector sees a wrong {keyword} of {optimizer}")

    def test_a_float32_trajectory_of_each_optimizer_passes_as_such(self, tmp_path: Path) -> None:
        arrays = Arrays(backend_for(np))
        paths = {
            f"trajectories/{name}/{dialect}/{variant}": run(
                arrays, name, options(name, dialect, variant), "float32"
            )
            for name, rows in DIALECTS.items()
            for dialect in ("paper", "torch")
            if dialect in rows
            for variant in VARIANTS[name]
        }
        report = check_vectors(answer(tmp_path, paths), only=list(paths))
        assert report.passed, report


def _another(keyword: str, value: Any) -> Any:
    """Return a value of a keyword that is near, but another."""
    if isinstance(value, str):
        words = {"scheme": ("sss", "euler"), "decay_by": ("nothing", "rate")}[keyword]
        return words[value == words[0]]
    if isinstance(value, bool | int):
        return not value if isinstance(value, bool) else value + 1
    return value * 1.0001 + 1e-10


def _rule(name: str, dtype: str) -> Tolerance | None:
    return PUBLISHED.entries(name, "outputs")["parameters"].tolerances[dtype]


def _neighbours() -> list[tuple[str, str]]:
    """Return each two dialects of an optimizer's variant."""
    return [
        tuple(f"trajectories/{name}/{d}/{variant}" for d in (one, other))  # type: ignore[misc]
        for name, rows in DIALECTS.items()
        for variant in VARIANTS[name]
        for one in rows
        for other in rows
        if one < other
    ]


class TestWhatIsSaidOfAVector:
    def test_one_that_is_missing_fails(self, tmp_path: Path) -> None:
        folder = answer(tmp_path, {}, [WORDS])
        report = check_vectors(folder, only=[WORDS, NORMALS])
        assert [(c.name, c.passed, c.seen) for c in report] == [
            (WORDS, True, ""),
            (NORMALS, False, "missing"),
        ]
        assert len(check_vectors(folder).failures) == len(PUBLISHED.names) - 1

    def test_one_that_is_not_due_fails(self, tmp_path: Path) -> None:
        vectors = {WORDS: PUBLISHED[WORDS], "words/mine": PUBLISHED[WORDS]}
        report = check_vectors(save(tmp_path, vectors), only=["words"])
        assert {c.name for c in report.failures} >= {"words/mine"}
        assert "no vector of this name" in str(report)
        assert check_vectors(tmp_path, only=[WORDS]).passed

    def test_outputs_alone_are_enough(self, tmp_path: Path) -> None:
        def strip(manifest: Any) -> None:
            del manifest["library"]
            for vector in manifest["vectors"].values():
                for key in ("description", "parameters", "inputs"):
                    del vector[key]
                for entry in vector["outputs"].values():
                    del entry["tolerance"]

        names = [ADAM, WORDS, VARIANCE]
        assert check_vectors(edit(answer(tmp_path, {}, names), strip), only=names).passed

    def test_a_tolerance_of_its_own_helps_nobody(self, tmp_path: Path) -> None:
        def loosen(manifest: Any) -> None:
            rule = {"absolute": 1e9, "relative": 1e9}
            entry_of(manifest, ADAM)["tolerance"] = {"float64": rule}

        folder = edit(answer(tmp_path, {ADAM: due(ADAM) + 1e-9}), loosen)
        assert not judge(folder, ADAM).passed

    @pytest.mark.parametrize(
        ("change", "seen"),
        [
            (lambda p: p["keywords"].update(eps=1e-7), "parameter 'keywords' is"),
            (lambda p: p.update(mine=1), "parameter 'mine' is 1"),
            (lambda p: p.pop("rate"), "parameters without 'rate'"),
            (lambda p: p["keywords"].update(amsgrad=0), "parameter 'keywords' is"),
        ],
    )
    def test_other_parameters_fail(self, tmp_path: Path, change: Any, seen: str) -> None:
        folder = answer(tmp_path, {}, [ADAM])
        edit(folder, lambda m: change(m["vectors"][ADAM]["parameters"]) and None)
        claim = judge(folder, ADAM)
        assert not claim.passed
        assert seen in claim.seen

    def test_a_number_may_be_written_as_integer_or_not(self, tmp_path: Path) -> None:
        folder = answer(tmp_path, {}, [ADAM])

        def change(manifest: Any) -> None:
            manifest["vectors"][ADAM]["parameters"]["rate"]["boundaries"] = [50.0]

        assert judge(edit(folder, change), ADAM).passed

    def test_other_inputs_fail(self, tmp_path: Path) -> None:
        vector = PUBLISHED[ADAM]
        start = vector.inputs["start"].copy()
        start[0] += 1
        changed = dataclasses.replace(vector, inputs={**vector.inputs, "start": start})
        claim = judge(save(tmp_path, {ADAM: changed}), ADAM)
        assert claim.seen == "input 'start' is another array"

    def test_an_input_of_another_name_fails(self, tmp_path: Path) -> None:
        vector = dataclasses.replace(PUBLISHED[ADAM], inputs={"begin": np.zeros(3)})
        assert "an input 'begin'" in judge(save(tmp_path, {ADAM: vector}), ADAM).seen

    @pytest.mark.parametrize(
        ("array", "seen"),
        [
            (lambda a: a.astype(np.int64), "parameters has dtype int64"),
            (lambda a: a.astype(np.float16), "parameters has dtype float16"),
            (lambda a: a[:99], "parameters has shape (99, 10)"),
            (lambda a: a.reshape(-1), "parameters has shape (1000,)"),
        ],
    )
    def test_another_dtype_or_shape_fails(self, tmp_path: Path, array: Any, seen: str) -> None:
        claim = judge(answer(tmp_path, {ADAM: array(due(ADAM))}), ADAM)
        assert not claim.passed
        assert seen in claim.seen

    def test_other_outputs_fail(self, tmp_path: Path) -> None:
        vector = PUBLISHED[VARIANCE]
        only = {"variance": vector.outputs["variance"]}
        folder = save(tmp_path, {VARIANCE: Vector("", vector.parameters, only)})
        claim = judge(folder, VARIANCE)
        assert claim.seen == "outputs variance"
        assert claim.due == "standard_deviation, variance"

    def test_the_answer_to_another_set_is_refused(self, tmp_path: Path) -> None:
        for key in ("set_version", "stream_version"):
            folder = edit(answer(tmp_path / key, {}, [WORDS]), lambda m: {**m, key: 2})  # noqa: B023
            with pytest.raises(VectorsError, match=f"`folder` must answer {key} 1, got 2"):
                check_vectors(folder)

    def test_a_pattern_that_matches_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="`only` must match vectors"):
            check_vectors(published_vectors(), only=["adam"])

    def test_a_reference_of_ones_own(self, tmp_path: Path) -> None:
        reference = answer(tmp_path / "due", {}, [WORDS])
        seen = answer(tmp_path / "seen", {}, [WORDS])
        assert [c.name for c in check_vectors(seen, reference)] == [WORDS]

    def test_a_damaged_reference_is_never_a_verdict(self, tmp_path: Path) -> None:
        reference = answer(tmp_path, {}, [WORDS])
        (reference / "words" / "elements.out.words.npy").write_bytes(b"")
        with pytest.raises(VectorsError, match=r"elements\.out\.words\.npy is no \.npy file"):
            check_vectors(published_vectors(), reference)

    def test_a_failed_report_raises_on_request_with_all_of_it(self, tmp_path: Path) -> None:
        wrong = due(ADAM)
        wrong[50] += 1
        report = check_vectors(answer(tmp_path, {ADAM: wrong}), only=[ADAM])
        with pytest.raises(_report.ConformanceError, match=r"parameters\[50, 0\] is "):
            report.raise_if_failed()
