"""The judge of noise: its laws, what it takes, what it refuses, and what it says."""

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from libraries import Library
from scipy import stats

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState
from gradnoise_core.oracle import ConformanceError, _scipy, check_noise, check_noise_seeds
from gradnoise_core.oracle import _evidence as evidence
from gradnoise_core.oracle._noise_independence import correlations
from gradnoise_core.oracle._report import Report

Noise = Callable[[Any, int], Any]


def sigma(t: int) -> Any:
    return np.float32(math.sqrt(0.01 / (1 + t) ** 0.55))


def ours(**options: Any) -> Noise:
    link = gn.add_gradient_noise(seed=11, **options)
    return lambda gradient, t: link.update(gradient, NoiseState(t))[0]


def of_numpy(seed: int = 0) -> Noise:
    rng = np.random.default_rng(seed)

    def noisy(gradient: Any, t: int) -> Any:
        return {k: g + sigma(t) * rng.standard_normal(g.shape, "f4") for k, g in gradient.items()}

    return noisy


def failed(report: Report) -> str:
    """Return what failed, which must be something."""
    assert not report.passed
    return "\n".join(map(str, report.failures))


class TestLaws:
    """The p-values are those of scipy.stats, where it has them."""

    def test_normal(self) -> None:
        x = np.asarray([0.0, 1.0, -3.0, 8.0])
        np.testing.assert_allclose(evidence.normal(x), 2 * stats.norm.sf(abs(x)), rtol=1e-12)

    @pytest.mark.parametrize("n", [64, 15_386, 10**6])
    def test_chi_square(self, n: int) -> None:
        totals = n + math.sqrt(2 * n) * np.asarray([-5.0, -2.0, 0.0, 2.0, 7.0])
        law = stats.chi2(n)
        expected = np.minimum(1, 2 * np.minimum(law.cdf(totals), law.sf(totals)))
        np.testing.assert_allclose(evidence.chi_square(totals, n), expected, rtol=1e-9)

    @pytest.mark.parametrize("p", [1e-5, 0.1])
    def test_binomial(self, p: float) -> None:
        n, counts = 1000, np.asarray([0, 1, 5, 100, 150, 1000])
        law = stats.binom(n, p)
        expected = np.minimum(1, 2 * np.minimum(law.cdf(counts), law.sf(counts - 1)))
        found = evidence.binomial(counts, n, p)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-300)

    def test_kolmogorov(self) -> None:
        z = np.random.default_rng(3).standard_normal(1000)
        distance, p = evidence.kolmogorov(z)
        exact = stats.kstest(z, "norm")
        assert distance == pytest.approx(exact.statistic, abs=1e-6)
        assert p >= exact.pvalue  # a bound
        shifted = stats.kstest(z + 0.3, "norm").pvalue
        assert shifted <= evidence.kolmogorov(z + 0.3)[1] <= 3 * shifted

    def test_poisson(self) -> None:
        assert evidence.poisson_above(12, 5.0) == pytest.approx(stats.poisson(5.0).sf(11))

    def test_correlations_are_standard_normal(self) -> None:
        """Over 4,000 pairs; and not those of a pair that shares a tenth."""
        rng = np.random.default_rng(7)
        a, b = rng.standard_normal((2, 4000, 200))
        scores = np.asarray([correlations(x, y) for x, y in zip(a, b, strict=True)])
        assert stats.kstest(scores[:, 0], "norm").pvalue > 1e-3
        assert abs(np.std(scores[:, 1]) - 1) < 0.1
        shared = [correlations(x, 0.1 * x + y)[0] for x, y in zip(a, b, strict=True)]
        assert stats.kstest(shared, "norm").pvalue < 1e-9

    def test_a_share_of_all_statistics_is_what_one_may_have(self) -> None:
        """1,000 statistics, of which the worst has p = 2e-6: alarming once in 500 times."""
        p = np.full(1000, 0.5)
        p[17] = 2e-6
        claim = evidence.Evidence("it", p, lambda i: (str(i), "")).claim(1e-3)
        assert (claim.passed, claim.seen, claim.p_value) == (True, "17", 2e-3)
        assert not evidence.Evidence("it", p, lambda i: ("", "")).claim(3e-3).passed

    def test_what_is_no_number_fails(self) -> None:
        assert not evidence.Evidence("it", [0.5, math.nan], lambda i: ("", "")).claim(1e-9).passed


class TestPasses:
    def test_ours_on_every_library(self, library: Library) -> None:
        like = [library.array(np.zeros(s)) for s in ((70, 41), (70, 41), (33,))]
        report = check_noise(ours(), like=like)
        assert report.passed, report

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
    def test_ours_in_another_dtype(self, library: Library, dtype: str) -> None:
        wanted = getattr(library.xp, dtype, None)
        if wanted is None:
            pytest.skip(f"{library.name} has no {dtype}")
        like = library.xp.astype(library.array(np.zeros((80, 80))), wanted)
        report = check_noise(ours(), like=like)
        assert report.passed, report

    def test_one_array(self) -> None:
        rng = np.random.default_rng(2)
        report = check_noise(
            lambda g, t: g + sigma(t) * rng.standard_normal(g.shape, "f4"),
            like=np.ones(20_000, np.float32),
        )
        assert report.passed, report

    def test_a_schedule_of_its_own(self) -> None:
        def schedule(t: int) -> float:
            return 1e-4 if t < 100 else 1e-6

        assert check_noise(ours(schedule=schedule), schedule=schedule).passed
        said = failed(check_noise(of_numpy(), schedule=schedule))
        assert "its variance is the law's at each t" in said

    @pytest.mark.parametrize(
        ("clip", "by"),
        [
            (gn.clip_by_global_norm(2.0), "global norm"),
            (gn.clip_by_norm(2.0), "norm"),
            (gn.clip_by_value(2.0), "value"),
        ],
    )
    @pytest.mark.parametrize("declared", ["global norm", "norm", "value"])
    def test_the_clipping_that_is_declared(self, clip: Any, by: str, declared: Any) -> None:
        noise = ours()

        def noisy(gradient: Any, t: int) -> Any:
            return noise(clip.update(gradient, clip.init(gradient))[0], t)

        report = check_noise(noisy, clip=2.0, clip_by=declared)
        assert report.passed is (by == declared)
        assert report.passed or f"clipped by {by} instead" in str(report)

    def test_large_and_small_noise(self) -> None:
        for eta in (1e-12, 1e6):
            assert check_noise(ours(eta=eta), eta=eta).passed
            assert check_noise(ours(eta=eta), eta=eta, clip=None, in_order=True).passed

    def test_a_small_tree_is_asked_more_often(self) -> None:
        asked = []

        def noisy(gradient: Any, t: int) -> Any:
            asked.append(t)
            return ours()(gradient, t)

        assert check_noise(noisy, like=np.zeros(4096, np.float32)).passed
        assert len(asked) == len(set(asked)) == 250
        assert asked == sorted(asked)
        assert 2**24 + 1 in asked

    def test_in_order_leaves_no_step_out(self) -> None:
        asked = []

        def noisy(gradient: Any, t: int) -> Any:
            asked.append(t)
            return ours()(gradient, t)

        assert check_noise(noisy, in_order=True).passed
        assert asked == list(range(len(asked)))


class TestFails:
    """What is no answer at all; wrong noise is the catalogue's."""

    @pytest.mark.parametrize(
        ("fn", "said"),
        [
            (lambda g, t: None, "structure"),
            (lambda g, t: {"a": g["a"]}, "only one of them has 'b'"),
            (lambda g, t: {**g, "c": g["c"][1:]}, "shapes"),
            (lambda g, t: {**g, "c": g["c"].astype("f8")}, "float64 for float32 at 'c'"),
            (lambda g, t: {**g, "c": g["c"].astype("i4")}, "floating-point"),
            (lambda g, t: {**g, "d": g["d"] + np.float32("nan")}, "nan at t = 0"),
            (
                lambda g, t: {k: x * np.float32(1 / (t - 3)) for k, x in g.items()},
                "ZeroDivisionError at t = 3",
            ),
        ],
    )
    def test_with_the_reason(self, fn: Noise, said: str) -> None:
        assert said in failed(check_noise(fn))

    def test_another_library(self) -> None:
        torch = pytest.importorskip("torch")
        said = failed(
            check_noise(lambda g, t: {k: torch.as_tensor(x.copy()) for k, x in g.items()})
        )
        assert "array library" in said

    def test_the_report_is_the_message(self) -> None:
        with pytest.raises(ConformanceError, match="no noise reaches the result"):
            check_noise(lambda g, t: g).raise_if_failed()

    def test_a_rare_mistake_in_the_scale(self) -> None:
        """One step of all: at t = 10**5 the noise is 10% too large."""
        right = of_numpy()

        def noisy(gradient: Any, t: int) -> Any:
            out = right(gradient, t)
            return {k: g + (out[k] - g) * np.float32(1.0 + 0.1 * (t == 10**5)) for k, g in
                    gradient.items()}  # fmt: skip

        assert "t = 100000" in failed(check_noise(noisy))

    def test_one_element_of_all(self) -> None:
        right = of_numpy()

        def noisy(gradient: Any, t: int) -> Any:
            out = right(gradient, t)
            out["c"][4000] = gradient["c"][4000]
            return out

        assert "no noise reaches element 4000 of 'c'" in failed(check_noise(noisy))

    def test_a_gradient_that_shrinks_by_a_hundredth(self) -> None:
        right = of_numpy()
        said = failed(
            check_noise(lambda g, t: right({k: x * np.float32(0.99) for k, x in g.items()}, t))
        )
        assert "it is added to the gradient" in said

    def test_a_root_of_the_variance_that_is_one_per_cent_off(self) -> None:
        """Caught by a million normals together, where no single step would show it."""
        right = of_numpy()

        def noisy(gradient: Any, t: int) -> Any:
            out = right(gradient, t)
            return {k: g + (out[k] - g) * np.float32(1.01) for k, g in gradient.items()}

        assert "variance" in failed(check_noise(noisy))


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"eta": 0.0}, "`eta`"),
            ({"eta": math.nan}, "`eta`"),
            ({"gamma": -0.1}, "`gamma`"),
            ({"clip": 0.0}, "`clip`"),
            ({"clip_by": "rms"}, "`clip_by`"),
            ({"like": np.zeros(100, np.float32)}, "`like` must have 4,096 to 262,144"),
            ({"like": np.zeros(10**6, np.float32)}, "`like`"),
            ({"like": [np.zeros(5000, "f4"), np.zeros(0, "f4")]}, "`like`"),
            ({"like": np.zeros(5000, np.float32), "xp": np}, "`xp`"),
            ({"schedule": lambda t: 0.0}, "`schedule`"),
        ],
    )
    def test_are_refused_by_name(self, arguments: Any, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            check_noise(of_numpy(), **arguments)

    def test_a_tree_of_integers(self) -> None:
        with pytest.raises(TypeError, match="`like`"):
            check_noise(of_numpy(), like=np.zeros(5000, np.int32))


class TestSeeds:
    @staticmethod
    def make(seed: int) -> Noise:
        link = gn.add_gradient_noise(seed=seed)
        return lambda gradient, t: link.update(gradient, NoiseState(t))[0]

    def test_ours_on_every_library(self, library: Library) -> None:
        like = [library.array(np.zeros(s)) for s in ((70, 41), (70, 41), (33,))]
        assert check_noise_seeds(self.make, like=like, seeds=(0, 1, 2**32, 2**64 - 1)).passed

    def test_a_collision_far_apart(self) -> None:
        """Seeds that are cut to 32 bits."""
        report = check_noise_seeds(lambda s: self.make(s % 2**32), seeds=(5, 2**32 + 5))
        assert "(seed 5, leaf 'a', t = 0) and (seed 4294967301, leaf 'a', t = 0)" in failed(report)

    def test_what_is_no_answer(self) -> None:
        assert "structure" in failed(check_noise_seeds(lambda s: lambda g, t: None))

    @pytest.mark.parametrize("seeds", [(), (1,), (1, 1)])
    def test_fewer_than_two_are_refused(self, seeds: Any) -> None:
        with pytest.raises(ValueError, match="`seeds`"):
            check_noise_seeds(self.make, seeds=seeds)


class Tree(NamedTuple):
    w: Any
    b: Any


def test_the_tree_is_what_it_was() -> None:
    seen = []

    def noisy(gradient: Any, t: int) -> Any:
        seen.append(type(gradient))
        return ours()(gradient, t)

    like = Tree(np.zeros((60, 70), np.float32), [np.zeros(500, np.float32)])
    assert check_noise(noisy, like=like).passed
    assert set(seen) == {Tree}


def test_the_gradients_are_the_same_in_every_check() -> None:
    def gradients() -> list[Any]:
        seen: list[Any] = []

        def noisy(gradient: Any, t: int) -> Any:
            seen.append(gradient["a"].copy())
            return ours()(gradient, t)

        check_noise(noisy)
        return seen

    first, second = gradients(), gradients()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert 0.4 < np.mean([np.any(g) for g in first]) < 0.6


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _scipy.special.cache_clear()
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"gradnoise-core\[oracle\]"):
        check_noise(of_numpy())
    monkeypatch.undo()
    _scipy.special.cache_clear()


def test_the_oracle_imports_no_scipy_before_it_is_needed() -> None:
    script = (
        "import sys, gradnoise_core.oracle, gradnoise_core.oracle.mutants as m;"
        "assert m.MUTANTS; found = {'scipy', 'torch', 'jax'} & set(sys.modules); assert not found"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
