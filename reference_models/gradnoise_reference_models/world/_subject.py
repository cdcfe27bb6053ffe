"""What is judged: a name, how to make it, and what its documentation claims that it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from gradnoise_core.typing import Rate

__all__ = ["FALL", "NoiseSubject", "OptimizerSubject", "Subject", "Thread"]

#: The step at which the oracle lets a rate fall to a tenth.
FALL = 50

#: ``"optax#281"`` and the like: see `gradnoise_reference_models.world.REPOSITORIES`.
Thread: TypeAlias = str


def _empty() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What both kinds have.

    Parameters
    ----------
    name : str
        As a user would write it.
    framework : str
        A key of `FRAMEWORKS`; empty for a formula that is restated in our words.
    make : callable, optional
        How to make it; of a framework with a process of its own `hosted` and `options` say that.
    hosted : str
        Its name there.
    options : mapping
        And its options.
    source : str
        Of a restated formula: where it was published.
    note : str
        What there is to know of it.
    threads : tuple of str
        Where it was discussed.
    """

    name: str
    framework: str = ""
    make: Callable[..., Any] | None = None
    hosted: str = ""
    options: Mapping[str, Any] = field(default_factory=_empty)
    source: str = ""
    note: str = ""
    threads: tuple[Thread, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a subject that nobody could make, or that hides where it is from."""
        if (self.make is None) == (not self.hosted):
            message = f"{self.name!r} needs either `make` or `hosted`."
            raise ValueError(message)
        if bool(self.framework) == bool(self.source):
            message = f"{self.name!r} needs either a `framework` or, if restated, a `source`."
            raise ValueError(message)

    @property
    def restated(self) -> bool:
        """Whether it is a published formula in our words."""
        return not self.framework


@dataclass(frozen=True, kw_only=True)
class OptimizerSubject(Subject):
    """An optimizer: ``make(rate)`` returns what `check_optimizer` takes.

    Parameters
    ----------
    optimizer, dialect : str
        The row of `gradnoise_core.optimizers.DIALECTS` that it claims to be.
    keywords : mapping
        Features that were asked for, by this library's names: ``momentum=0.9``.
    rate : float
        At which it is judged.
    rate_is : {"set", "scheduled", "fixed"}
        How its rate can fall at step 50: set from outside, by a schedule that it is made with,
        or not at all.
    library : str
        Whose arrays it takes, where not those that the oracle passes by itself.
    float32 : bool
        Whether it is judged in float32.
    """

    optimizer: str
    dialect: str
    keywords: Mapping[str, Any] = field(default_factory=_empty)
    rate: float = 0.01
    rate_is: Literal["set", "scheduled", "fixed"] = "set"
    library: str = ""
    float32: bool = False

    @property
    def learning_rate(self) -> Rate:
        """What the oracle is told: a number is one that it lets fall."""
        if self.rate_is == "set":
            return self.rate
        falls = self.rate_is == "scheduled"
        return lambda t: self.rate / 10 if falls and t >= FALL else self.rate


@dataclass(frozen=True, kw_only=True)
class NoiseSubject(Subject):
    """What adds noise to a gradient: ``make(seed)`` returns ``fn(gradient, t)``.

    Parameters
    ----------
    eta, gamma : float
        With which it is made: the law is the paper's, eta / (1 + t)**gamma. gamma 0.0 is
        constant noise of variance eta, where that is all that is claimed.
    library : str
        Whose arrays it takes: "numpy", "torch" or "jax.numpy".
    dtype : str
        Of the gradients.
    in_order : bool
        Whether it counts its own calls.
    seeded : bool
        Whether `make` heeds the seed, so that its seeds are judged as well.
    claim : str
        What is claimed of it, in words.
    """

    eta: float = 0.01
    gamma: float = 0.55
    library: str = "numpy"
    dtype: str = "float32"
    in_order: bool = False
    seeded: bool = False
    claim: str = "variance eta / (1 + t)**gamma"
