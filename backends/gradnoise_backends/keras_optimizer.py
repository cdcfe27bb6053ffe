"""Keras 3: any optimizer made noisy, after Keras's own clipping, in one line.

A noisy optimizer is the optimizer that it was, of a subclass of its class: learning rate, moving
averages, accumulation and variables stay Keras's own, and so does the count of steps, which is
``optimizer.iterations``.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradnoise_core as gn
from gradnoise_backends._extras import require
from gradnoise_core.backend import backend_of
from gradnoise_core.noise import NoiseState
from gradnoise_core.typing import Array, Schedule, Seed, Step

__all__ = ["NoisyOptimizer", "add_gradient_noise"]

keras = require("keras", extra="keras")

#: Keras's backends whose arrays the stream can be drawn on.
_BACKENDS = ("torch", "jax", "numpy")

_LINKS = {"gradient": gn.add_gradient_noise, "weight": gn.add_weight_noise}


def add_gradient_noise(
    optimizer: Any,
    eta: Any = 0.01,
    gamma: float = 0.55,
    seed: Seed = 0,
    *,
    schedule: Schedule | None = None,
    placement: str = "gradient",
) -> Any:
    """Make a Keras optimizer noisy: ``g <- g + N(0, eta / (1 + t)**gamma)`` after its clipping.

    Equation 1 of Neelakantan et al. (2017). t is ``optimizer.iterations``, the number of updates
    made before, which Keras saves and restores with the optimizer's variables.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Changed in place. Of a `LossScaleOptimizer` the inner one is made noisy, so that noise
        meets unscaled gradients.
    eta : float
        The variance at t = 0, in squared units of the gradient (of the weights for weight noise).
    gamma : float
        The exponent of the decay of the variance.
    seed : int
        In [0, 2**64).
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`. To be saved with a model it must
        be what Keras can save: registered with ``keras.saving.register_keras_serializable``.
    placement : {"gradient", "weight"}
        Before the optimizer, on the clipped gradient; or after it, on the weights.

    Returns
    -------
    keras.optimizers.Optimizer
        `optimizer`, now a `NoisyOptimizer` too.

    Raises
    ------
    TypeError
        If `optimizer` is no Keras optimizer, or is a `MultiOptimizer`.
    ValueError
        If `eta`, `gamma`, `seed` or `placement` is out of range, or `optimizer` is noisy already.
    NotImplementedError
        If Keras runs on TensorFlow or OpenVINO.

    Notes
    -----
    A leaf is a trainable variable, its path the ``variable.path`` that it had when the optimizer
    was built. Keras changes the paths of a model that it loads (it leaves out the model's name);
    so they are saved in the optimizer's config, and a resumed run draws the noise of the first.
    Name the layers: Keras's own names depend on how many layers the process made before.

    Examples
    --------
    >>> import keras
    >>> optimizer = add_gradient_noise(keras.optimizers.Adam(1e-3, global_clipnorm=10.0), eta=0.3)
    >>> isinstance(optimizer, keras.optimizers.Adam)
    True
    """
    noise = _GradientNoise(eta, gamma, seed, schedule, placement)
    _check_optimizer(optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        _make_noisy(optimizer.inner_optimizer, noise)
        return optimizer
    return _make_noisy(optimizer, noise)


@dataclass(frozen=True)
class _GradientNoise:
    """What noise, on which leaves."""

    eta: Any
    gamma: float
    seed: Seed
    schedule: Schedule | None
    placement: str
    paths: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.placement not in _LINKS:
            message = (
                f"`placement` must be 'gradient' or 'weight', got {self.placement!r}. "
                "The paper's noise is on the gradient."
            )
            raise ValueError(message)
        self.link  # noqa: B018  # refuses what is out of range, here and not in the first step

    @functools.cached_property
    def link(self) -> gn.GradientTransformation:
        return _LINKS[self.placement](self.eta, self.gamma, seed=self.seed, schedule=self.schedule)

    def added(self, paths: Sequence[str], leaves: Sequence[Array], t: Step) -> list[Array]:
        """Return leaves with the noise of step t."""
        tree = dict(zip(paths, leaves, strict=True))
        if len(tree) < len(leaves):
            twice = next(p for i, p in enumerate(paths) if p in paths[:i])
            message = (
                f"Two trainable variables have the path {twice!r}, and would get the same noise. "
                "Give the layers that hold them different names."
            )
            raise ValueError(message)
        noisy, _ = self.link.update(tree, NoiseState(t))
        return [noisy[path] for path in paths]


class NoisyOptimizer:
    """A Keras optimizer with gradient noise: the class that every noisy one has beside its own.

    Made by `add_gradient_noise`. Its config holds the optimizer's own, the noise's settings and,
    once built, the paths of its variables.
    """

    _gradient_noise: _GradientNoise
    _noiseless: Any

    def _backend_update_step(
        self, grads: Sequence[Array], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        # What Keras calls between clipping and the update, on every backend.
        this: Any = self
        noise, update = this._gradient_noise, self._noiseless._backend_update_step
        known = _paths(this)
        # Those without a gradient are left out by now.
        paths = [known[this._get_variable_index(v)] for v in trainable_variables]
        t = _step(this.iterations)
        if noise.placement == "gradient":
            update(this, noise.added(paths, grads, t), trainable_variables, learning_rate)
            return
        update(this, grads, trainable_variables, learning_rate)
        # The whole weight, not its change: a 16-bit one is then rounded once.
        weights = [keras.ops.stop_gradient(v.value) for v in trainable_variables]
        for variable, value in zip(
            trainable_variables, noise.added(paths, weights, t), strict=True
        ):
            variable.assign(value)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` makes an optimizer of the same kind and noise from."""
        this: Any = self
        noise: _GradientNoise = this._gradient_noise
        return {
            "optimizer": _serialized(self._noiseless, self._noiseless.get_config(this)),
            "eta": noise.eta,
            "gamma": noise.gamma,
            "seed": noise.seed,
            "schedule": _serialized_schedule(noise.schedule),
            "placement": noise.placement,
            "paths": list(_paths(this)) if this.built else noise.paths,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Return a noisy optimizer, not built yet, from what `get_config` returned."""

        def read(part: Any) -> Any:
            return keras.saving.deserialize_keras_object(part, custom_objects=custom_objects)

        paths, schedule = config["paths"], config["schedule"]
        noise = _GradientNoise(
            config["eta"],
            config["gamma"],
            config["seed"],
            schedule if schedule is None else read(schedule),
            config["placement"],
            paths if paths is None else tuple(paths),
        )
        return _make_noisy(read(config["optimizer"]), noise)


def _check_optimizer(optimizer: Any) -> None:
    if keras.backend.backend() not in _BACKENDS:
        message = (
            f"Keras must run on one of {', '.join(_BACKENDS)}, got {keras.backend.backend()!r}. "
            "Set KERAS_BACKEND=jax in the environment before Keras is imported."
        )
        raise NotImplementedError(message)
    several = getattr(keras.optimizers, "MultiOptimizer", ())  # from Keras 3.15 on
    if not isinstance(optimizer, keras.optimizers.Optimizer) or isinstance(optimizer, several):
        message = (
            f"`optimizer` must be one keras.optimizers.Optimizer, got {optimizer!r}. Pass an "
            "instance, as in keras.optimizers.Adam(1e-3); of several, make each noisy."
        )
        raise TypeError(message)


def _make_noisy(optimizer: Any, noise: _GradientNoise) -> Any:
    _check_optimizer(optimizer)
    held = getattr(optimizer, "_gradient_noise", None)
    if held is not None:
        message = (
            f"`optimizer` must not be noisy already, got {optimizer.name!r} with {held}. "
            "Make a new one."
        )
        raise ValueError(message)
    kind: Any = type(optimizer)
    optimizer.__class__ = _noisy_class(kind)
    optimizer._gradient_noise = noise
    return optimizer


@functools.cache
def _noisy_class(kind: type) -> type:
    """Return the subclass of a class of optimizers that adds noise."""
    noisy = type(kind.__name__, (NoisyOptimizer, kind), {"_noiseless": kind})
    # Keras saves a class by its registered name; each of ours reads the configs of all.
    return _register(noisy)


def _register(kind: type) -> type:
    made: type = keras.saving.register_keras_serializable("gradnoise", "NoisyOptimizer")(kind)
    return made


_register(NoisyOptimizer)


def _paths(optimizer: Any) -> tuple[str, ...]:
    """Return the path of each trainable variable: as saved, or as it is named now."""
    now = tuple(v.path for v in optimizer._trainable_variables)
    saved = optimizer._gradient_noise.paths
    if saved is None:
        return now
    if len(saved) != len(now):
        message = (
            f"The noise was saved for {len(saved)} trainable variables, and this model has "
            f"{len(now)}. Make its optimizer anew, with add_gradient_noise."
        )
        raise ValueError(message)
    return tuple(saved)


def _step(iterations: Any) -> Step:
    """Return the number of updates made, as a Python int unless it is traced."""
    count = keras.ops.convert_to_tensor(iterations)
    backend = backend_of(count)
    return count if backend.traced(count) else int(backend.to_numpy(count))


def _serialized(kind: type, config: dict[str, Any]) -> dict[str, Any]:
    """Return what Keras makes an optimizer of class `kind` from, whatever its backend."""
    public = getattr(keras.optimizers, kind.__name__, None)
    if kind.__module__.startswith("keras.") and public is not None and issubclass(kind, public):
        module, registered = "keras.optimizers", None
    else:
        module, registered = kind.__module__, keras.saving.get_registered_name(kind)
    return {
        "module": module,
        "class_name": kind.__name__,
        "config": config,
        "registered_name": registered,
    }


def _serialized_schedule(schedule: Any) -> Any:
    if schedule is None:
        return None
    name = getattr(schedule, "__qualname__", "")
    known = not name or keras.saving.get_registered_name(schedule) != schedule.__name__
    if not known and ("<locals>" in name or "<lambda>" in name):
        message = (
            f"`schedule` must be what Keras can save, got the local function {name!r}. Decorate "
            "a function of a module with @keras.saving.register_keras_serializable(), or save "
            "the weights alone."
        )
        raise ValueError(message)
    return keras.saving.serialize_keras_object(schedule)
