"""The negative result: an LSTM language model on the Penn Treebank, which noise does not help.

Section 4.6 of Neelakantan et al. (2017), with the architecture and the set-up of Zaremba, Sutskever
& Vinyals, Recurrent neural network regularization (2014), arXiv:1409.2329. The registry holds the
noises and the paper's perplexities; runs, tables and pages are made of it.
"""

from collections.abc import Iterator

from gradnoise_reference_models.experiments._language_plan import LanguagePlan
from gradnoise_reference_models.experiments._language_setting import LanguageSetting
from gradnoise_reference_models.experiments.table1 import ANNEALED, NO_NOISE

__all__ = ["ETAS", "NAME", "PAPER", "TRIED", "label", "paper", "percent", "settings"]

#: The name that the trials have.
NAME = "language-model"

#: The paper's perplexity by eta, of 200 units with dropout; eta = 0 is no noise. It does not say
#: whether it is that of the validation or of the test text.
PAPER = {0.0: 95.0, 0.01: 98.0, 0.001: 95.0}

#: What is compared, in the paper's order.
ETAS = tuple(PAPER)

#: The paper's 0.01 is the better of these; it gives no figure for 1.0.
TRIED = (0.01, 1.0)


def paper(eta: float) -> float | None:
    """Return the paper's perplexity, or None where it has none.

    Examples
    --------
    >>> paper(0.01), paper(1.0)
    (98.0, None)
    """
    return PAPER.get(eta)


def percent(eta: float) -> float | None:
    """Return by how many per cent the paper's perplexity is above the one without noise.

    Examples
    --------
    >>> round(percent(0.01), 1), percent(0.001)
    (3.2, 0.0)
    """
    found = paper(eta)
    return None if found is None else 100.0 * (found / PAPER[0.0] - 1.0)


def label(eta: float) -> str:
    """Return what is compared, in words.

    Examples
    --------
    >>> label(0.0), label(0.01)
    ('no noise', 'annealed noise, eta 0.01')
    """
    return f"{ANNEALED}, eta {eta:g}" if eta else NO_NOISE


def settings(plan: LanguagePlan) -> Iterator[LanguageSetting]:
    """Yield what is to be run: each noise with each start and each rate of dropout.

    Examples
    --------
    >>> from gradnoise_reference_models.language_training import RECIPES
    >>> plan = LanguagePlan("corpus", 10_000, RECIPES["small"], ETAS)
    >>> [(s.eta, s.units, s.layers, s.epochs, s.clip) for s in settings(plan)]
    [(0.0, 200, 2, 13, 5.0), (0.01, 200, 2, 13, 5.0), (0.001, 200, 2, 13, 5.0)]
    """
    for recipe in plan.recipes:
        for eta in plan.etas:
            yield LanguageSetting.of(recipe, plan.corpus, plan.vocabulary, eta, plan.dtype)
