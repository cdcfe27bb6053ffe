"""Medians, quartiles and ratios of samples."""

import pytest

from benchmarks.summary import Summary, ratios, settled, summarize


def test_median_and_quartiles_are_those_of_the_samples() -> None:
    assert summarize([4.0, 1.0, 3.0, 2.0, 5.0]) == Summary(3.0, 2.0, 4.0, 5)


def test_an_outlier_moves_no_median() -> None:
    assert summarize([1.0, 1.0, 1.0, 1.0, 1e6]).median == 1.0


def test_one_sample_is_its_own_quartiles() -> None:
    assert summarize([7.0]) == Summary(7.0, 7.0, 7.0, 1)


def test_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="`samples` must hold at least one"):
        summarize([])


def test_a_ratio_belongs_to_its_round() -> None:
    """Twice as slow in every round, while the machine slows down tenfold: the ratio is 2."""
    ours, peer = [2.0, 20.0, 200.0], [1.0, 10.0, 100.0]
    assert ratios(ours, peer) == [2.0, 2.0, 2.0]
    assert ratios(peer, ours) == [0.5, 0.5, 0.5]


def test_rounds_must_match() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("samples", "verdict"),
    [
        ([1.0] * 5, True),
        ([0.5, 1.0, 1.5] * 5, False),
        # The same spread: a thousand times as many samples know the median 32 times better.
        ([0.5, 1.0, 1.5] * 50_000, True),
        # Far from zero the spread is relatively small.
        ([100.5, 101.0, 101.5] * 5, True),
    ],
)
def test_settled_by_spread_and_number(samples: list[float], verdict: bool) -> None:
    assert settled(samples) is verdict
