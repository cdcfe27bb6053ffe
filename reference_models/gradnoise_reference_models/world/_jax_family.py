"""optax's optimizers and noise, and blackjax's SGLD."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from gradnoise_reference_models.world._subject import NoiseSubject, OptimizerSubject, Subject

__all__ = ["JAX_SUBJECTS"]

#: A power of two, by which noise is divided without a rounding.
NOISY_RATE = 0.0625


def _optax(name: str, **options: Any) -> Callable[[float], Any]:
    def make(rate: float) -> Any:
        optax = importlib.import_module("optax")
        held = optax.inject_hyperparams(getattr(optax, name), static_args=tuple(_static(options)))
        return held(learning_rate=rate, **options)

    return make


def _static(options: Mapping[str, Any]) -> list[str]:
    return [name for name, value in options.items() if isinstance(value, bool)]


def _subject(
    function: str,
    optimizer: str,
    keywords: Mapping[str, Any] | None = None,
    *,
    threads: tuple[str, ...] = (),
    note: str = "",
    rate: float = 0.01,
    **options: Any,
) -> OptimizerSubject:
    written = ", ".join(f"{name}={value}" for name, value in options.items())
    return OptimizerSubject(
        name=f"optax.{function}" + (f"({written})" if written else ""),
        framework="optax",
        make=_optax(function, **options),
        optimizer=optimizer,
        dialect="optax",
        keywords=keywords or options,
        rate=rate,
        threads=threads,
        note=note,
    )


def _updating(make: Callable[[Any, int], Any], scale: float) -> Callable[[int], Any]:
    """Return how to make noise of a transformation whose updates are `scale` times it."""

    def of_seed(seed: int) -> Any:
        transformation = make(importlib.import_module("optax"), seed)
        state: list[Any] = []

        def noisy(gradient: Any, t: int) -> Any:
            if not state:
                state.append(transformation.init(gradient))
            updates, state[0] = transformation.update(gradient, state[0], gradient)
            return {name: scale * u for name, u in updates.items()}

        return noisy

    return of_seed


def _add_noise(optax: Any, seed: int) -> Any:
    return optax.add_noise(0.01, 0.55, seed)


def _noisy_sgd(optax: Any, seed: int) -> Any:
    return optax.noisy_sgd(NOISY_RATE, 0.01, 0.55, key=seed)


def _blackjax(temperature: float) -> Callable[[float], Any]:
    def make(rate: float) -> Any:
        def begin() -> Any:
            jax: Any = importlib.import_module("jax")
            blackjax: Any = importlib.import_module("blackjax")
            # Its gradient is that of the log-density, which is minus a loss.
            sampler = blackjax.sgld(lambda position, batch: jax.tree.map(lambda g: -g, batch))
            keys = [jax.random.key(0)]

            def step(params: Any, grads: Any, rate: float) -> Any:
                keys[0], key = jax.random.split(keys[0])
                at, g = jax.tree.map(jax.numpy.asarray, (params, grads))
                return sampler.step(key, at, g, rate, temperature)

            return step

        return begin

    return make


_SQRT_THREADS = ("jax#1427", "optax#532", "pytorch#23796", "tensorflow#58412")

JAX_SUBJECTS: tuple[Subject, ...] = (
    _subject("sgd", "sgd"),
    _subject("sgd", "momentum", momentum=0.9),
    _subject("sgd", "momentum", momentum=0.9, nesterov=True),
    _subject("adagrad", "adagrad"),
    _subject("rmsprop", "rmsprop", threads=_SQRT_THREADS),
    _subject("rmsprop", "rmsprop", momentum=0.9, threads=_SQRT_THREADS),
    _subject("rmsprop", "rmsprop", centered=True, threads=_SQRT_THREADS),
    _subject(
        "rmsprop", "rmsprop", eps_in_sqrt=False, note="The switch that moves eps out of the root."
    ),
    _subject("adadelta", "adadelta", rate=1.0),
    _subject("adam", "adam"),
    _subject("amsgrad", "adam", {"amsgrad": True}, threads=("optax#1389",)),
    _subject("adamw", "adamw", threads=("optax#417",)),
    NoiseSubject(
        name="optax.add_noise",
        framework="optax",
        make=_updating(_add_noise, 1.0),
        library="jax.numpy",
        in_order=True,
        seeded=True,
        threads=("optax#281", "optax#294"),
    ),
    NoiseSubject(
        name="optax.add_noise, of bfloat16",
        framework="optax",
        make=_updating(_add_noise, 1.0),
        library="jax.numpy",
        dtype="bfloat16",
        in_order=True,
        note="The noise is drawn in the gradient's dtype.",
    ),
    NoiseSubject(
        name="optax.noisy_sgd",
        framework="optax",
        make=_updating(_noisy_sgd, -1.0 / NOISY_RATE),
        library="jax.numpy",
        in_order=True,
        seeded=True,
        threads=("optax#337", "optax#369"),
    ),
    *(
        OptimizerSubject(
            name=f"blackjax.sgld, temperature {temperature:g}",
            framework="blackjax",
            make=_blackjax(temperature),
            optimizer="sgld",
            dialect="paper",
            keywords={"drift": 1.0, "temperature": temperature},
        )
        for temperature in (1.0, 0.25)
    ),
)
