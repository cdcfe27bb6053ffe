"""The array libraries that tests run on, and Hypothesis's profiles."""

import os

import hypothesis
import pytest
from libraries import LIBRARIES, Library, absent, load

hypothesis.settings.register_profile(
    "deterministic", derandomize=True, database=None, deadline=None, print_blob=True
)
hypothesis.settings.register_profile("exploring", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "deterministic"))


@pytest.fixture(params=LIBRARIES, scope="session")
def library(request: pytest.FixtureRequest) -> Library:
    """Each array library in turn; float64 is enabled on JAX."""
    name: str = request.param
    reason = absent(name)
    if reason is not None:
        if name in os.environ.get("GRADNOISE_TEST_LIBRARIES", "").split(","):
            pytest.fail(f"{name} was asked for, but {reason}")
        pytest.skip(reason)
    return load(name)
