"""Fixtures of pytest that judge noise, schedules, streams and optimizers, in three lines.

Loaded by pytest wherever the distribution is installed, so it imports nothing until a fixture is
used: not the core, and no array library.
"""

import importlib
from collections.abc import Callable
from typing import Any

import pytest

__all__ = [
    "check_gradient_noise",
    "check_noise_schedule",
    "check_noise_seeds",
    "check_noise_stream",
    "check_optimizer_step",
]


def _raising(name: str) -> Callable[..., Any]:
    """Return a check of `gradnoise_core.oracle` that fails the test if its report does."""

    def check(subject: Any, /, **arguments: Any) -> Any:
        __tracebackhide__ = True  # the report says all, and the check's own frames nothing
        oracle = importlib.import_module("gradnoise_core.oracle")
        report = getattr(oracle, name)(subject, **arguments)
        if not report.passed:
            pytest.fail(str(report), pytrace=False)
        return report

    return check


@pytest.fixture(scope="session")
def check_gradient_noise() -> Callable[..., Any]:
    """`gradnoise_core.oracle.check_noise`, which fails the test with its report."""
    return _raising("check_noise")


@pytest.fixture(scope="session")
def check_noise_seeds() -> Callable[..., Any]:
    """`gradnoise_core.oracle.check_noise_seeds`, which fails the test with its report."""
    return _raising("check_noise_seeds")


@pytest.fixture(scope="session")
def check_noise_schedule() -> Callable[..., Any]:
    """`gradnoise_core.oracle.check_schedule`, which fails the test with its report."""
    return _raising("check_schedule")


@pytest.fixture(scope="session")
def check_noise_stream() -> Callable[..., Any]:
    """`gradnoise_core.oracle.check_stream`, which fails the test with its report."""
    return _raising("check_stream")


@pytest.fixture(scope="session")
def check_optimizer_step() -> Callable[..., Any]:
    """`gradnoise_core.oracle.check_optimizer`, which fails the test with its report."""
    return _raising("check_optimizer")
