"""torch.optim in each of its implementations, and what others built on torch."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from gradnoise_reference_models.world._subject import (
    FALL,
    NoiseSubject,
    OptimizerSubject,
    Subject,
)

__all__ = ["TORCH_SUBJECTS"]

#: How a step is implemented, as it is asked for.
WAYS: Mapping[str, Mapping[str, bool]] = {
    "single": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


def _of(module: str, name: str, **options: Any) -> Callable[[float], Any]:
    """Return how to make a torch optimizer of a rate."""

    def make(rate: float) -> Any:
        kind = getattr(importlib.import_module(module), name)
        return lambda params: kind(params, lr=rate, **options)

    return make


def _drawing(module: str, name: str, **options: Any) -> Callable[[float], Any]:
    """Do the same for one that draws from torch's global generator."""

    def make(rate: float) -> Any:
        torch: Any = importlib.import_module("torch")
        begin = _of(module, name, **options)(rate)

        def seeded(params: Any) -> Any:
            torch.manual_seed(0)
            return begin(params)

        return seeded

    return make


def _written(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.items())


#: class, ours, features by its names, by ours, where they differ, and the rate.
_CASES: tuple[tuple[str, str, dict[str, Any], dict[str, Any] | None, float], ...] = (
    ("SGD", "sgd", {}, None, 0.01),
    ("SGD", "sgd", {"weight_decay": 0.01}, None, 0.01),
    ("SGD", "momentum", {"momentum": 0.9}, None, 0.01),
    ("SGD", "momentum", {"momentum": 0.9, "nesterov": True}, None, 0.01),
    ("SGD", "momentum", {"momentum": 0.9, "dampening": 0.5}, None, 0.01),
    ("Adagrad", "adagrad", {}, None, 0.01),
    ("RMSprop", "rmsprop", {}, None, 0.01),
    ("RMSprop", "rmsprop", {"momentum": 0.9}, None, 0.01),
    ("RMSprop", "rmsprop", {"centered": True}, None, 0.01),
    ("Adadelta", "adadelta", {}, None, 1.0),
    ("Adam", "adam", {}, None, 0.01),
    ("Adam", "adam", {"amsgrad": True}, None, 0.01),
    ("Adam", "adam", {"weight_decay": 0.01}, None, 0.01),
    ("AdamW", "adamw", {}, None, 0.01),
)

#: Classes that have a fused implementation.
FUSED = ("SGD", "Adagrad", "Adam", "AdamW")

_THREADS: Mapping[str, tuple[str, ...]] = {
    "Adam": ("optax#571", "torchopt#235"),
    "RMSprop": ("pytorch#23796",),
    "SGD, momentum": ("pytorch#1099", "pytorch#13801"),
    "SGD, dampening": ("pytorch#152833",),
}


def _threads(kind: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    last = next((name for name in ("dampening", "momentum") if name in options), "")
    return _THREADS.get(f"{kind}, {last}" if last and kind == "SGD" else kind, ())


def _torch_optim() -> Iterator[OptimizerSubject]:
    for kind, optimizer, options, keywords, rate in _CASES:
        for way, asked in WAYS.items():
            if way == "fused" and kind not in FUSED:
                continue
            written = _written(options)
            yield OptimizerSubject(
                name=f"torch.optim.{kind}" + (f"({written})" if written else "") + f", {way}",
                framework="torch",
                make=_of("torch.optim", kind, **options, **asked),
                optimizer=optimizer,
                dialect="torch",
                keywords=keywords or options,
                rate=rate,
                threads=_threads(kind, options),
                note=(
                    "It adds the momentum to the gradients in place."
                    if way == "foreach" and options.get("nesterov")
                    else ""
                ),
            )


def _torchopt(kind: str, optimizer: str, rate: float = 0.01, **options: Any) -> OptimizerSubject:
    written = _written(options)
    return OptimizerSubject(
        name=f"torchopt.{kind}" + (f"({written})" if written else ""),
        framework="torchopt",
        make=_functional(kind, **options),
        optimizer=optimizer,
        dialect="torch",
        keywords=options,
        rate=rate,
        rate_is="scheduled",
        library="torch",
        note="Its bias corrections have torch's default dtype, float32." * ("adam" in kind),
    )


def _functional(kind: str, **options: Any) -> Callable[[float], Any]:
    """TorchOpt's functional interface takes its last argument by name only."""

    def make(rate: float) -> Any:
        torch: Any = importlib.import_module("torch")
        function = getattr(importlib.import_module("torchopt"), kind)

        def falling(count: Any) -> Any:
            return torch.tensor(rate / 10 if int(count) >= FALL else rate, dtype=torch.float64)

        def update(grads: Any, state: Any, params: Any) -> Any:
            return held.update(grads, state, params=params, inplace=False)

        held = function(lr=falling, **options)
        return SimpleNamespace(init=held.init, update=update)

    return make


def _pulseopt(seed: int) -> Any:
    """Return noise by AEES with one candidate, which wraps an SGD of rate 1."""
    torch: Any = importlib.import_module("torch")
    pulseopt: Any = importlib.import_module("pulseopt")
    made: list[Any] = []

    def noisy(gradient: Any, t: int) -> Any:
        if not made:
            params = {name: torch.zeros_like(g) for name, g in gradient.items()}
            wrapped = torch.optim.SGD(list(params.values()), lr=1.0)
            made.extend([pulseopt.AEES(wrapped, noise_candidates=[0.1], seed=seed), params])
        aees, params = made
        aees.step_start(t)
        for name, p in params.items():
            p.zero_()
            p.grad = gradient[name].clone()
        aees.step_end(0.0)
        return {name: -p for name, p in params.items()}

    return noisy


def _espnet(seed: int) -> Any:
    """Return noise by ESPnet's function, which takes a module."""
    torch: Any = importlib.import_module("torch")
    module: Any = importlib.import_module("espnet2.torch_utils.add_gradient_noise")
    torch.manual_seed(seed)

    def noisy(gradient: Any, t: int) -> Any:
        params = {name: torch.nn.Parameter(torch.zeros_like(g)) for name, g in gradient.items()}
        for name, p in params.items():
            p.grad = gradient[name].clone()
        model = SimpleNamespace(parameters=params.values)
        module.add_gradient_noise(model, t, duration=100, eta=0.01, scale_factor=0.55)
        return {name: p.grad for name, p in params.items()}

    return noisy


TORCH_SUBJECTS: tuple[Subject, ...] = (
    *_torch_optim(),
    _torchopt("sgd", "sgd"),
    _torchopt("sgd", "momentum", momentum=0.9),
    _torchopt("sgd", "momentum", momentum=0.9, nesterov=True),
    _torchopt("sgd", "momentum", momentum=0.9, dampening=0.5),
    _torchopt("adagrad", "adagrad"),
    _torchopt("rmsprop", "rmsprop"),
    _torchopt("rmsprop", "rmsprop", centered=True),
    _torchopt("adadelta", "adadelta", rate=1.0),
    _torchopt("adam", "adam"),
    _torchopt("adamw", "adamw"),
    OptimizerSubject(
        name="pytorch_optimizer.SGDW(momentum=0.9)",
        framework="pytorch_optimizer",
        make=_of("pytorch_optimizer", "SGDW", momentum=0.9),
        optimizer="momentum",
        dialect="torch",
        keywords={"momentum": 0.9},
    ),
    OptimizerSubject(
        name="pytorch_optimizer.SGDW(momentum=0.9, weight_decay=0.01)",
        framework="pytorch_optimizer",
        make=_of("pytorch_optimizer", "SGDW", momentum=0.9, weight_decay=0.01),
        optimizer="momentum",
        dialect="torch",
        keywords={"momentum": 0.9, "weight_decay": 0.01, "decoupled_weight_decay": True},
    ),
    OptimizerSubject(
        name="pytorch_optimizer.AdaDelta",
        framework="pytorch_optimizer",
        make=_of("pytorch_optimizer", "AdaDelta"),
        optimizer="adadelta",
        dialect="torch",
        rate=1.0,
    ),
    *(
        OptimizerSubject(
            name=f"pytorch_optimizer.{kind}",
            framework="pytorch_optimizer",
            make=_of("pytorch_optimizer", kind),
            optimizer=optimizer,
            dialect="torch",
            note="It is torch.optim's own class.",
        )
        for kind, optimizer in (
            ("SGD", "sgd"),
            ("RMSprop", "rmsprop"),
            ("Adam", "adam"),
            ("AdamW", "adamw"),
        )
    ),
    *(
        OptimizerSubject(
            name=f"torch_sgld.SGLD, temperature {temperature:g}",
            framework="torch-sgld",
            make=_drawing("torch_sgld", "SGLD", temperature=temperature),
            optimizer="sgld",
            dialect="paper",
            keywords={"drift": 1.0, "temperature": temperature},
        )
        for temperature in (1.0, 0.25)
    ),
    NoiseSubject(
        name="pulseopt.AEES(noise_candidates=[0.1])",
        framework="pulseopt",
        make=_pulseopt,
        eta=0.01,
        gamma=0.0,
        library="torch",
        in_order=True,
        seeded=True,
        claim="standard deviation 0.1 at every step",
        note="The seed of a parameter is a sum: (seed 0, parameter 1) is (seed 1, parameter 0).",
    ),
    NoiseSubject(
        name="espnet2.torch_utils.add_gradient_noise",
        framework="espnet",
        make=_espnet,
        library="torch",
        note=(
            "It names sigma what the paper names the variance, and lets it fall every hundred "
            "steps; FunASR and Step-Audio have copies."
        ),
    ),
)
