"""How much of the language model is run, and the settings that its trials have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gradnoise_reference_models.data import TextData
from gradnoise_reference_models.data.text import GENERATED
from gradnoise_reference_models.experiments._language_setting import LanguageSetting
from gradnoise_reference_models.experiments._language_trials import conditions
from gradnoise_reference_models.language_training import RECIPES, Recipe
from gradnoise_reference_models.runner import Trial

__all__ = ["FULL", "USUAL", "Amount", "LanguagePlan", "stretched", "trials"]


class Amount(NamedTuple):
    """How much is run."""

    corpus: str
    runs: int
    recipe: Recipe


#: The published small network. The Penn Treebank cannot be downloaded: the largest text stands in.
FULL = Amount("war_and_peace", 5, RECIPES["small"])

#: What shows the effect in minutes: a smaller network on a smaller text, and a rate that falls as
#: far as the published one in fewer epochs.
USUAL = Amount(
    GENERATED,
    3,
    replace(RECIPES["small"], units=64, epochs=12, flat_epochs=8, divisor=4.0),
)


@dataclass(frozen=True)
class LanguagePlan:
    """What the trials of the experiment have in common. Several values are several variants.

    Parameters
    ----------
    corpus : str
        The text's `name`.
    vocabulary : int
        V.
    recipe : Recipe
    etas : sequence of float
        Of the annealed noise; 0 is none.
    dropout_rates, bounds : sequence of float, optional
        Those of `recipe` by default.
    runs : int
        Of each setting.
    seed : int
        Of the first run.
    dtype : str
    """

    corpus: str
    vocabulary: int
    recipe: Recipe
    etas: Sequence[float]
    dropout_rates: Sequence[float] | None = None
    bounds: Sequence[float] | None = None
    runs: int = USUAL.runs
    seed: int = 0
    dtype: str = "float32"

    @property
    def recipes(self) -> Iterator[Recipe]:
        """The recipe with each start and each rate of dropout."""
        for bound in self.bounds or (self.recipe.bound,):
            for rate in self.dropout_rates or (self.recipe.dropout_rate,):
                yield replace(self.recipe, bound=bound, dropout_rate=rate)


def stretched(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe over another number of epochs, whose rate ends where the recipe's does.

    The share of the epochs at the first rate stays what it is, in whole epochs and at least one.

    Examples
    --------
    >>> longer = stretched(RECIPES["small"], 39)
    >>> longer.flat_epochs, round(longer.divisor, 3)
    (12, 1.26)
    >>> rates = [r.rate(1)(r.epochs - 1) for r in (longer, RECIPES["small"])]
    >>> [round(1 / rate) for rate in rates]
    [512, 512]
    >>> stretched(RECIPES["small"], 13) == RECIPES["small"]
    True
    """
    if epochs == recipe.epochs:
        return recipe
    flat = max(1, round(recipe.flat_epochs * epochs / recipe.epochs))
    drops, before = epochs - flat, recipe.epochs - recipe.flat_epochs
    divisor = recipe.divisor ** (before / drops) if drops else recipe.divisor
    return replace(recipe, epochs=epochs, flat_epochs=flat, divisor=divisor)


def trials(
    name: str,
    settings: Sequence[LanguageSetting],
    plan: LanguagePlan,
    found: TextData,
    backend: str,
    device: str | None,
) -> list[Trial]:
    """Return the trials of an experiment: every setting with every seed.

    Raises
    ------
    ValueError
        If a part of the text is too short.
    """
    _refuse_short(found, plan.recipe)
    around = conditions(found, backend, device)
    return [
        Trial(name, setting.as_dict(), plan.seed + run, conditions=around)
        for setting in settings
        for run in range(plan.runs)
    ]


def _refuse_short(found: TextData, recipe: Recipe) -> None:
    """Refuse a text that does not hold a window of each stream, and the word after it."""
    window = recipe.batch_size * (recipe.window + 1)
    for part, least in (("train", window), ("validation", window), ("test", 2)):
        n = len(getattr(found, part))
        if n < least:
            message = (
                f"`corpus` must have {least:,} {part} tokens or more, for {recipe.batch_size} "
                f"streams in windows of {recipe.window}, got {n:,}. Take a longer text."
            )
            raise ValueError(message)
