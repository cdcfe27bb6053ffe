"""MLX's optimizers, in float32: rates and corrections are held in it whatever the arrays are."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradnoise_reference_models.world._subject import OptimizerSubject, Subject

__all__ = ["MLX_SUBJECTS"]


def _mlx(kind: str, **options: Any) -> Callable[[float], Any]:
    def make(rate: float) -> Any:
        def begin() -> Any:
            core: Any = importlib.import_module("mlx.core")
            optimizers: Any = importlib.import_module("mlx.optimizers")
            optimizer = getattr(optimizers, kind)(learning_rate=rate, **options)

            def step(params: Any, grads: Any, rate: float) -> Any:
                with core.stream(core.cpu):
                    optimizer.learning_rate = rate
                    given = {name: core.array(g) for name, g in grads.items()}
                    at = {name: core.array(p) for name, p in params.items()}
                    new = optimizer.apply_gradients(given, at)
                    return {name: np.array(p) for name, p in new.items()}

            return step

        return begin

    return make


def _subject(
    kind: str,
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
        name=f"mlx.optimizers.{kind}" + (f"({written})" if written else ""),
        framework="mlx",
        make=_mlx(kind, **options),
        optimizer=optimizer,
        dialect="mlx",
        keywords=options if keywords is None else keywords,
        rate=rate,
        float32=True,
        threads=threads,
        note=note,
    )


MLX_SUBJECTS: tuple[Subject, ...] = (
    _subject("SGD", "sgd"),
    _subject("SGD", "momentum", momentum=0.9),
    _subject("SGD", "momentum", momentum=0.9, nesterov=True),
    _subject("SGD", "momentum", momentum=0.9, dampening=0.5, threads=("mlx#473",)),
    _subject("Adagrad", "adagrad"),
    _subject("RMSprop", "rmsprop"),
    _subject("AdaDelta", "adadelta", rate=1.0),
    _subject("Adam", "adam", note="Without bias correction unless it is asked for."),
    _subject("Adam", "adam", bias_correction=True),
    _subject("AdamW", "adamw", note="Without bias correction unless it is asked for."),
    _subject("AdamW", "adamw", bias_correction=True),
)
