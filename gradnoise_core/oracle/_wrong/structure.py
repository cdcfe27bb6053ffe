"""Mistakes in the frame around a right formula: counts, states, dtypes, gradients, rates."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradnoise_core.oracle._formulas import Formula, Memory
from gradnoise_core.oracle._plain import Plain
from gradnoise_core.oracle._wrong._registry import Mistake, in_float32, structure

__all__ = ["STRUCTURE"]


class _Stale(Plain):
    """Steps by the gradient of the step before."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        s = self.remembered(f"{name} before")
        before = s.get("g", 0.0 * g)
        s["g"] = np.array(g)
        return super().leaf(name, p, before, rate)


class _CountPerLeaf(Plain):
    """The step count goes up in the loop over the leaves."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        new = super().leaf(name, p, g, rate)
        self.count += 1
        return new

    def __call__(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], rate: float
    ) -> dict[str, Any]:
        new = super().__call__(params, grads, rate)
        self.count -= 1
        return new


class _SharedByShape(Plain):
    """What is remembered is found by the leaf's shape."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        return super().leaf(str(np.shape(p)), p, g, rate)


class _Float32State(Plain):
    """What is remembered is float32."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        new = super().leaf(name, p, g, rate)
        s = self.remembered(name)
        s.update({k: np.asarray(v, np.float32).astype(np.float64) for k, v in s.items()})
        return new


class _Float32Constants(Plain):
    """The hyperparameters are float32."""

    def __init__(self, formula: Formula, keywords: Mapping[str, Any]) -> None:
        super().__init__(formula, in_float32(keywords))


class _Float32Rate(Plain):
    """The rate is float32."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        return super().leaf(name, p, g, float(np.float32(rate)))


class _Float32Settings(_Float32Constants, _Float32Rate):
    """Both are."""


class _Float32Out(Plain):
    """The parameters come back in float32."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        return super().leaf(name, p, g, rate).astype(np.float32)


class _FirstRate(Plain):
    """The rate is read once."""

    def __call__(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], rate: float
    ) -> dict[str, Any]:
        self.rate: float = getattr(self, "rate", rate)
        return super().__call__(params, grads, self.rate)


class _LateRate(Plain):
    """The rate is that of the step before."""

    def __call__(
        self, params: Mapping[str, Any], grads: Mapping[str, Any], rate: float
    ) -> dict[str, Any]:
        before, self.rate = getattr(self, "rate", rate), rate
        return super().__call__(params, grads, before)


class _RateSquared(Plain):
    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        return super().leaf(name, p, g, rate * rate)


class _Ascent(Plain):
    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        return super().leaf(name, p, g, -rate)


class _Clipping(Plain):
    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        return super().leaf(name, p, np.clip(g, -1.0, 1.0), rate)


class _ClippingByNorm(Plain):
    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        norm = float(np.sqrt(np.sum(np.square(g))))
        return super().leaf(name, p, g / max(norm, 1.0), rate)


class _FrozenScalars(Plain):
    """Leaves of fewer than two axes are passed over."""

    def leaf(self, name: str, p: Any, g: Any, rate: float) -> Any:
        return super().leaf(name, p, g, rate) if np.ndim(p) > 1 else p


class _MomentsLost(Plain):
    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "memory": {}}


class _CountLost(Plain):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "count": 0}


class _NothingLoaded(Plain):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it and forget it."""


class _SecondMomentLost(Plain):
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        for memory in self.memory.values():
            memory.pop("v", None)


class _OneMemory(Plain):
    """All instances remember in one place: a mutable default, or a class attribute."""

    everywhere: dict[str, Memory] = {}  # noqa: RUF012 - the very mistake

    def remembered(self, name: str) -> Memory:
        if self.count == 1 and not name.endswith("twin"):
            self.everywhere[name] = {}
        return self.everywhere.setdefault(name, {})


STRUCTURE: tuple[Mistake, ...] = (
    Mistake(
        name="stale-gradient",
        optimizer="sgd",
        make=structure(_Stale),
        wrong="each step is by the gradient of the step before",
        source="likely slip: the optimizer steps before the backward pass",
        any_optimizer=True,
    ),
    Mistake(
        name="rate-read-once",
        optimizer="adam",
        make=structure(_FirstRate),
        wrong="the rate is read at the first step and never again",
        source="likely slip: a float that jit has made a constant",
        any_optimizer=True,
    ),
    Mistake(
        name="rate-late",
        optimizer="sgd",
        make=structure(_LateRate),
        wrong="the rate is that of the step before",
        source="torch's schedulers stepped before the optimizer, the other way round",
        any_optimizer=True,
    ),
    Mistake(
        name="rate-squared",
        optimizer="adam",
        make=structure(_RateSquared),
        wrong="the step is multiplied by the rate twice",
        source="likely slip: optax.scale(-h) after an optimizer that has it",
        any_optimizer=True,
    ),
    Mistake(
        name="wrong-sign",
        optimizer="adam",
        make=structure(_Ascent),
        wrong="the step has the wrong sign: it ascends",
        source="likely slip: updates subtracted that are to be added",
        any_optimizer=True,
    ),
    Mistake(
        name="count-per-leaf",
        optimizer="adam",
        make=structure(_CountPerLeaf),
        wrong="the step count goes up once a leaf",
        source="likely slip: the count in the loop over parameters",
        any_optimizer=True,
    ),
    Mistake(
        name="state-shared-by-shape",
        optimizer="rmsprop",
        dialect="torch",
        make=structure(_SharedByShape),
        wrong="leaves of one shape share what is remembered",
        source="likely slip: a cache with the shape for a key",
        any_optimizer=True,
    ),
    Mistake(
        name="state-in-float32",
        optimizer="adam",
        make=structure(_Float32State),
        wrong="what is remembered of float64 parameters is float32",
        source="Keras 3's NumPy backend computes float64 so",
        any_optimizer=True,
    ),
    Mistake(
        name="sum-in-float32",
        optimizer="adagrad",
        make=structure(_Float32State),
        wrong="what is remembered of float64 parameters is float32",
        source="Keras 3's NumPy backend computes float64 so",
    ),
    Mistake(
        name="constants-in-float32",
        optimizer="rmsprop",
        dialect="tf1",
        make=structure(_Float32Constants),
        wrong="the hyperparameters are held in float32 beside float64 parameters",
        source="tf.compat.v1.train, TensorFlow 2.21",
        any_optimizer=True,
    ),
    Mistake(
        name="rate-in-float32",
        optimizer="sgd",
        make=structure(_Float32Rate),
        wrong="the learning rate is held in float32 beside float64 parameters",
        source="likely slip: a constant of a graph, of the default dtype",
        any_optimizer=True,
    ),
    Mistake(
        name="settings-in-float32",
        optimizer="momentum",
        dialect="tf1",
        make=structure(_Float32Settings),
        wrong="the learning rate and the hyperparameters are held in float32 beside float64 "
        "parameters",
        source="tf.compat.v1.train with a rate that is a number",
        any_optimizer=True,
    ),
    Mistake(
        name="parameters-in-float32",
        optimizer="sgd",
        make=structure(_Float32Out),
        wrong="parameters of float64 come back in float32",
        source="JAX without x64",
        diagnosis="dtypes and shapes of the parameters are kept: float32",
        seen_in_path=False,
    ),
    Mistake(
        name="clipping-by-value",
        optimizer="momentum",
        dialect="torch",
        make=structure(_Clipping),
        wrong="each element of the gradient is clipped to [-1, 1]",
        source="Keras's clipvalue where clipnorm was meant",
        any_optimizer=True,
    ),
    Mistake(
        name="clipping-by-norm",
        optimizer="sgd",
        make=structure(_ClippingByNorm),
        wrong="each leaf's gradient is clipped to norm 1",
        source="a default of some training loops",
        any_optimizer=True,
    ),
    Mistake(
        name="small-leaves-frozen",
        optimizer="sgd",
        make=structure(_FrozenScalars),
        wrong="leaves of fewer than two axes stay where they are",
        source="likely slip: the rule for weight decay used for the step",
        any_optimizer=True,
    ),
    Mistake(
        name="state-not-loaded",
        optimizer="momentum",
        dialect="torch",
        make=structure(_NothingLoaded),
        wrong="a saved state is taken and not loaded",
        source="Megatron-LM#6858; likely slip",
        diagnosis="the whole state is lost",
        seen_in_path=False,
    ),
    Mistake(
        name="moments-not-saved",
        optimizer="adam",
        make=structure(_MomentsLost),
        wrong="the moments are not saved, the step count is",
        source="PulseOpt's new interface has no state_dict; likely slip",
        diagnosis="what is remembered is lost, but for the step count",
        seen_in_path=False,
    ),
    Mistake(
        name="count-not-saved",
        optimizer="adam",
        make=structure(_CountLost),
        wrong="the moments are saved, the step count is not",
        source="likely slip; a Keras model saved without its optimizer's iterations",
        diagnosis="the step count is lost",
        seen_in_path=False,
    ),
    Mistake(
        name="second-moment-not-loaded",
        optimizer="adam",
        make=structure(_SecondMomentLost),
        wrong="the second moment is not loaded",
        source="likely slip",
        diagnosis="the second moment is lost",
        seen_in_path=False,
    ),
    Mistake(
        name="state-of-the-class",
        optimizer="adagrad",
        dialect="optax",
        make=structure(_OneMemory),
        wrong="all instances remember in one place",
        source="likely slip: a mutable default argument",
        diagnosis="goes on as it was",
        seen_in_path=False,
    ),
)
