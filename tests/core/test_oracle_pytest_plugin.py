"""The pytest plugin: what a downstream project writes, and that it costs nothing unused."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "gradnoise_backends._pytest_plugin"
ROOT = Path(__file__).parents[2]

# A tree without the entry point yet, or another's, is told on the command line.
ARGUMENTS = ["-p", "no:cacheprovider"]
if all(e.value != PLUGIN for e in entry_points(group="pytest11")):
    ARGUMENTS += ["-p", PLUGIN]

SETTINGS = """
[pytest]
filterwarnings = error
"""

DOWNSTREAM = """
import numpy as np
import pytest

rng = np.random.default_rng(0)


def right(gradient, t):
    sigma = np.float32((0.01 / (1 + t) ** 0.55) ** 0.5)
    return {k: g + sigma * rng.standard_normal(g.shape, np.float32) for k, g in gradient.items()}


def test_noise(check_gradient_noise):
    check_gradient_noise(right)


def test_noise_without_any(check_gradient_noise):
    check_gradient_noise(lambda gradient, t: gradient)


def test_schedule(check_noise_schedule):
    check_noise_schedule(lambda t: 0.01 / (1 + t) ** 0.55)


def test_schedule_from_one(check_noise_schedule):
    check_noise_schedule(lambda t: 0.01 / (2 + t) ** 0.55)


def test_seeds(check_noise_seeds):
    def make(seed):
        def noisy(gradient, t):
            keys = enumerate(gradient.items())
            return {k: g + np.random.default_rng((seed, i, t)).standard_normal(g.shape, np.float32)
                    for i, (k, g) in keys}
        return noisy
    assert check_noise_seeds(make, seeds=(3, 4)).passed


def test_stream_of_nothing(check_noise_stream):
    check_noise_stream(lambda seed, path, step, shape: np.zeros(shape, np.float32), takes=())


def test_arguments(check_gradient_noise):
    with pytest.raises(ValueError, match="`eta`"):
        check_gradient_noise(right, eta=0)
"""


def test_three_lines_downstream(pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTINGS)
    pytester.makepyfile(DOWNSTREAM)
    result = pytester.runpytest_subprocess(*ARGUMENTS, "-v")
    result.assert_outcomes(passed=4, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*test_noise_without_any FAILED*",
            "*test_schedule_from_one FAILED*",
            "*test_stream_of_nothing FAILED*",
            "*it is zero: no noise reaches the result*",
            "*t is counted from 1: the first update has t = 0*",
        ]
    )
    result.stdout.no_fnmatch_line("*_pytest_plugin.py:*")  # the report, and no frames of ours


def test_an_optimizer_is_judged(pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTINGS)
    pytester.makepyfile(
        """
        import gradnoise_core as gn

        def test_sgd(check_optimizer_step):
            check_optimizer_step(gn.sgd(0.1), optimizer="sgd", learning_rate=0.1)
        """
    )
    pytester.runpytest_subprocess(*ARGUMENTS).assert_outcomes(passed=1)


def test_the_fixtures_are_listed_with_a_sentence(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess(*ARGUMENTS, "--fixtures", "-q")
    for name in ("check_gradient_noise", "check_noise_schedule", "check_noise_stream"):
        result.stdout.fnmatch_lines([f"{name}*"])
    assert "no docstring available" not in result.stdout.str().partition("_pytest_plugin")[2]


def test_no_warning_where_warnings_are_errors(pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTINGS)
    pytester.makepyfile("def test(check_gradient_noise):\n    assert check_gradient_noise")
    result = pytester.run(sys.executable, "-W", "error", "-m", "pytest", *ARGUMENTS)
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_nothing_is_imported_before_a_fixture_is_used() -> None:
    heavy = ["numpy", "scipy", "optree", "torch", "jax", "gradnoise_core"]
    script = (
        f"import sys, {PLUGIN}; found = [m for m in {heavy} if m in sys.modules]; assert not found"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_the_distribution_names_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"gradnoise": PLUGIN}
    assert any("scipy" in r for r in project["optional-dependencies"]["oracle"])
