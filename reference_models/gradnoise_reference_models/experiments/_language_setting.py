"""What decides the outcome of a run of a language model, besides its seed and its text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import gradnoise_core as gn
from gradnoise_reference_models.language_training import Recipe

__all__ = ["GAMMA", "LanguageSetting"]

#: Of the annealed noise.
GAMMA = 0.55


@dataclass(frozen=True)
class LanguageSetting:
    """The setting of a trial; `as_dict` is what `Trial` takes.

    Parameters
    ----------
    corpus : str
        A name in `data.text.NAMES`, or "corpus" for files of one's own.
    vocabulary : int
        V, the number of words.
    eta, gamma : float
        Of the annealed noise; eta 0 is none.
    units, bound, dropout_rate, epochs, flat_epochs, divisor, clip, window, layers, learning_rate, \
batch_size
        As in `Recipe`.
    dtype : str
        "float32" or "float64".
    """

    corpus: str
    vocabulary: int
    eta: float
    gamma: float
    units: int
    bound: float
    dropout_rate: float
    epochs: int
    flat_epochs: int
    divisor: float
    clip: float
    window: int
    layers: int
    learning_rate: float
    batch_size: int
    dtype: str

    @classmethod
    def of(
        cls, recipe: Recipe, corpus: str, vocabulary: int, eta: float, dtype: str
    ) -> "LanguageSetting":
        """Return the setting of a recipe and a noise."""
        return cls(
            corpus=corpus,
            vocabulary=vocabulary,
            eta=eta,
            gamma=GAMMA,
            dtype=dtype,
            **asdict(recipe),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON."""
        return asdict(self)

    @property
    def recipe(self) -> Recipe:
        """How the network is made and trained."""
        return Recipe(**{field.name: getattr(self, field.name) for field in fields(Recipe)})

    def optimizer(self, seeds: Sequence[int], windows_per_epoch: int) -> gn.GradientTransformation:
        """Return clipping, then noise, then gradient descent.

        The norm is that of all parameters together; every parameter gets noise, each replica's of
        its own seed; its t counts the updates of all epochs.
        """
        return self.recipe.optimizer(windows_per_epoch, list(seeds), eta=self.eta, gamma=self.gamma)
