"""What an optimizer's parameters are called: their names in the model, without its wrappers."""

import operator
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch

__all__ = ["Names"]

#: What a module that stands for another calls it, whoever wrote it.
_RESERVED = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Names:
    """The names of an optimizer's parameters, looked up again when it has others."""

    def __init__(self, model: Any) -> None:
        """Take a module, or a mapping of names to tensors."""
        if not isinstance(model, torch.nn.Module | Mapping):
            message = (
                "`model` must be a torch.nn.Module, or a mapping of names to parameters, got "
                f"{type(model).__name__}. Pass what the optimizer's parameters were taken from."
            )
            raise TypeError(message)
        self._model = model
        self._params: list[torch.Tensor] = []
        self._names: list[str] = []

    def of(self, optimizer: torch.optim.Optimizer) -> tuple[list[str], list[torch.Tensor]]:
        """Return the names of all parameters of an optimizer, group by group, and these.

        Raises
        ------
        ValueError
            If a parameter is not the model's.
        TypeError
            If one is not real floating-point.
        """
        params = [p for group in optimizer.param_groups for p in group["params"]]
        known = self._params
        if len(params) != len(known) or not all(map(operator.is_, params, known)):
            self._names = self._look_up(optimizer)
            self._params = params
        return self._names, params

    def _look_up(self, optimizer: torch.optim.Optimizer) -> list[str]:
        known = dict(_named(self._model))
        names = []
        for i, group in enumerate(optimizer.param_groups):
            for j, p in enumerate(group["params"]):
                if p not in known:
                    raise ValueError(_stranger(i, j, group))
                _check_dtype(known[p], p)
                names.append(known[p])
        return names


def _named(model: Any) -> Iterator[tuple[torch.Tensor, str]]:
    """Yield each parameter with its name; of a shared one, the first."""
    if isinstance(model, Mapping):
        seen: set[int] = set()
        for name, p in model.items():
            if id(p) not in seen:
                seen.add(id(p))
                yield p, str(name)
        return
    _refuse_flat(model)
    for name, p in model.named_parameters():
        yield p, _unwrapped(model, name)


def _unwrapped(model: torch.nn.Module, name: str) -> str:
    """Return a name without what DDP, ``torch.compile`` and their like put into it."""
    wrappers = (torch.nn.parallel.DistributedDataParallel, torch.nn.DataParallel)
    kept, at = [], model
    *modules, last = name.split(".")
    for part in modules:
        if part not in _RESERVED and not (part == "module" and isinstance(at, wrappers)):
            kept.append(part)
        at = at.get_submodule(part)
    return ".".join([*kept, last])


def _refuse_flat(model: torch.nn.Module) -> None:
    fsdp = getattr(sys.modules.get("torch.distributed.fsdp"), "FullyShardedDataParallel", ())
    if any(isinstance(module, fsdp) for module in model.modules()):
        message = (
            "`model` must not be wrapped in FullyShardedDataParallel, whose ranks hold pieces of "
            "flattened parameters that no longer know their place. Shard it with fully_shard "
            "(FSDP2)."
        )
        raise ValueError(message)


def _stranger(i: int, j: int, group: dict[str, Any]) -> str:
    p, names = group["params"][j], group.get("param_names")
    called = f" (called {names[j]!r} by the optimizer)" if names else ""
    return (
        "Every parameter of `optimizer` must be one of `model`, but that of shape "
        f"{tuple(p.shape)} at param_groups[{i}]['params'][{j}]{called} is not. Pass the model that "
        "holds them all: of several, torch.nn.ModuleDict({'first': first, 'second': second}); and "
        "make the optimizer after what replaces parameters, such as fully_shard."
    )


def _check_dtype(name: str, p: torch.Tensor) -> None:
    if p.dtype not in _DTYPES:
        message = (
            "Parameters of `optimizer` must be real floating-point of 16, 32 or 64 bits, got "
            f"{p.dtype} at {name!r}. Leave it to another optimizer, or hold a complex one as real "
            "and imaginary parts."
        )
        raise TypeError(message)
