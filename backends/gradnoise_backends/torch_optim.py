"""torch: any optimizer made noisy, after the user's own clipping, in one line.

The optimizer stays the object that it is: noise is added by its own hooks, inside ``step``, to the
gradients (or, for weight noise, to the parameters after it).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

import gradnoise_core as gn
from gradnoise_backends import _torch_optim_leaves as leaves
from gradnoise_backends._torch_optim_closure import noisy
from gradnoise_backends._torch_optim_count import Count
from gradnoise_backends._torch_optim_names import Names
from gradnoise_backends._torch_optim_ops import add_noise_, register
from gradnoise_core.typing import Schedule, Seed

__all__ = ["OptimizerNoise", "add_gradient_noise"]

_LINKS = {"gradient": gn.add_gradient_noise, "weight": gn.add_weight_noise}


def add_gradient_noise(
    optimizer: torch.optim.Optimizer,
    model: torch.nn.Module | Mapping[str, torch.Tensor],
    eta: Any = 0.01,
    gamma: float = 0.55,
    seed: Seed = 0,
    *,
    schedule: Schedule | None = None,
    placement: str = "gradient",
    domain: str | None = None,
) -> "OptimizerNoise":
    """Make a torch optimizer noisy: ``g <- g + N(0, eta / (1 + t)**gamma)`` in each ``step``.

    Equation 1 of Neelakantan et al. (2017). t is the number of steps made before. Clip, then call
    ``step``: noise is added at its start, to what ``.grad`` then holds.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Changed in place, and noisy until ``.remove()`` is called on what is returned.
    model : torch.nn.Module or mapping of names to tensors
        Whose parameters the optimizer has. A parameter's name in it is its path in the stream, so
        that its noise is that of ``{name: gradient}`` in `gradnoise_core.add_gradient_noise`, to
        the bit. Wrappers (DDP, ``torch.compile``...) do not count in names; a shared parameter has
        the first of its names.
    eta : float
        The variance at t = 0, in squared units of the gradient (of the weights for weight noise).
    gamma : float
        The exponent of the decay of the variance.
    seed : int
        In [0, 2**64).
    schedule : callable, optional
        Of t, returning a variance; instead of `eta` and `gamma`.
    placement : {"gradient", "weight"}
        Before the optimizer, on the gradients; or after it, on the parameters that have one.
    domain : str, optional
        Separates uses of one seed; ``"gradient-noise"`` or ``"weight-noise"`` by default.

    Returns
    -------
    OptimizerNoise
        With ``count``, the t of the next step, which rides in ``optimizer.state_dict()``; and
        ``remove()``.

    Raises
    ------
    TypeError
        If `optimizer` is no torch optimizer, `model` neither a module nor a mapping, or a parameter
        is not real floating-point; the message names it. In ``step``, if a gradient is sparse.
    ValueError
        If `eta`, `gamma`, `seed` or `placement` is out of range, the optimizer has noise of this
        domain already, or a parameter that is not the model's.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Linear(3, 2)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> noise = add_gradient_noise(optimizer, model, eta=0.3, seed=1)
    >>> model(torch.ones(4, 3)).sum().backward()
    >>> norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    >>> optimizer.step()
    >>> noise.count
    1
    """
    if placement not in _LINKS:
        message = (
            f"`placement` must be 'gradient' or 'weight', got {placement!r}. The paper's noise is "
            "on the gradient."
        )
        raise ValueError(message)
    _check_optimizer(optimizer)
    domain = f"{placement}-noise" if domain is None else domain
    link = _LINKS[placement](eta, gamma, seed=seed, schedule=schedule, domain=domain)
    _refuse_another(optimizer, domain)
    names = Names(model)
    names.of(optimizer)  # refuses what is no parameter of the model, now and not in a step
    return OptimizerNoise(optimizer, names, link, placement, domain)


class OptimizerNoise:
    """The noise of one optimizer: made by `add_gradient_noise`, undone by `remove`.

    Attributes
    ----------
    placement : str
        ``"gradient"`` or ``"weight"``.
    domain : str
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        names: Names,
        link: gn.GradientTransformation,
        placement: str,
        domain: str,
    ) -> None:
        """Attach noise to an optimizer."""
        self.placement, self.domain = placement, domain
        self._names, self._link = names, link
        self._count = Count(optimizer, domain)
        self._optimizer, self._under_way = optimizer, False
        self._number = register(self)
        self._hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def __repr__(self) -> str:
        kind = type(self._optimizer).__name__
        return f"<noise on the {self.placement}s of {kind}, t = {self.count}>"

    @property
    def count(self) -> int:
        """The number of noisy steps made: the t of the next one. It may be set."""
        return self._count.value

    @count.setter
    def count(self, value: int) -> None:
        self._count.value = value

    def remove(self) -> None:
        """Make the optimizer what it was: no hooks, and no count in its state."""
        for hook in self._hooks:
            hook.remove()
        if self._hooks:
            self._count.remove()
        self._hooks = []

    def _before(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Add noise, or have the closure do it: the hook before a step."""
        skipped = not torch.compiler.is_compiling() and leaves.is_skipped(optimizer)
        self._under_way = not skipped and not leaves.only_makes_state(optimizer, kwargs)
        if not self._under_way or self.placement != "gradient":
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._add_to_gradients(optimizer)
            return None
        searching = any(group.get("line_search_fn") for group in optimizer.param_groups)
        changed = noisy(
            closure, lambda: self._add_to_gradients(optimizer), self._drawn if searching else None
        )
        if len(args) > 1:
            return (args[0], changed, *args[2:]), kwargs
        return args, {**kwargs, "closure": changed}

    def _after(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Count, after weight noise if that is it: the hook after a step."""
        if not self._under_way:
            return
        self._under_way = False
        if self.placement == "weight":
            self._add_to_weights(optimizer)
        compiling = torch.compiler.is_compiling()
        self._count.advance(getattr(optimizer, "found_inf", None) if compiling else None)

    def _add_to_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        if not torch.compiler.is_compiling():
            self._gradients(optimizer)
        elif leaves.all_plain(optimizer):
            # What a GradScaler leaves to a fused optimizer.
            scale = getattr(optimizer, "grad_scale", None)
            self._operate(optimizer, [p.grad for p in leaves.moved(optimizer)], scale)
            if scale is not None:
                optimizer.grad_scale = None
        else:
            self._uncompiled_gradients(optimizer)

    def _gradients(self, optimizer: torch.optim.Optimizer) -> None:
        scale = getattr(optimizer, "grad_scale", None)
        named = leaves.with_gradient(*self._names.of(optimizer))
        leaves.add_to_gradients_(self._link, named, self.count, scale)
        if scale is not None:
            optimizer.grad_scale = None

    def _add_to_weights(self, optimizer: torch.optim.Optimizer) -> None:
        if not torch.compiler.is_compiling():
            self._weights(optimizer)
        elif leaves.all_plain(optimizer):
            with torch.no_grad():
                self._operate(optimizer, leaves.moved(optimizer), None)
        else:
            self._uncompiled_weights(optimizer)

    def _weights(self, optimizer: torch.optim.Optimizer) -> None:
        named = leaves.with_gradient(*self._names.of(optimizer))
        leaves.add_noise_(self._link, named, self.count)

    _uncompiled_gradients = torch.compiler.disable(_gradients)
    _uncompiled_weights = torch.compiler.disable(_weights)

    def _drawn(self) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the parameters that have a gradient, and the noise of each at this step."""
        named = leaves.with_gradient(*self._names.of(self._optimizer))
        zeros = {name: torch.zeros_like(p.grad) for name, p in named.items()}
        leaves.add_noise_(self._link, zeros, self.count)
        return named, zeros

    def _operate(
        self,
        optimizer: torch.optim.Optimizer,
        tensors: list[torch.Tensor],
        scale: torch.Tensor | None,
    ) -> None:
        """Add noise as an operator in the graph of a compiled step."""
        found_inf = getattr(optimizer, "found_inf", None)
        add_noise_(
            self._number, tensors, leaves.places(optimizer), self._count.steps, scale, found_inf
        )

    def _add_noise_(
        self, tensors: list[torch.Tensor], places: list[int], t: int, scale: torch.Tensor | None
    ) -> None:
        """Do what the operator does, when it runs."""
        names, _ = self._names.of(self._optimizer)
        named = {names[i]: x for i, x in zip(places, tensors, strict=True)}
        leaves.add_noise_(self._link, named, t, scale)
        if scale is not None:  # for torch.compile loses what traced code assigns to an optimizer
            self._optimizer.grad_scale = None


def _check_optimizer(optimizer: Any) -> None:
    hooked: Callable[..., Any] | None = getattr(optimizer, "_optimizer_step_pre_hooks", None)
    if not isinstance(optimizer, torch.optim.Optimizer) or hooked is None:
        message = (
            f"`optimizer` must be a torch.optim.Optimizer, got {type(optimizer).__name__}. Pass "
            "the instance itself; of one that wraps another, what it wraps."
        )
        raise TypeError(message)


def _refuse_another(optimizer: torch.optim.Optimizer, domain: str) -> None:
    hooks = optimizer._optimizer_step_pre_hooks.values()
    held = [getattr(hook, "__self__", None) for hook in hooks]
    if any(isinstance(x, OptimizerNoise) and x.domain == domain for x in held):
        message = (
            f"`optimizer` must have no noise of `domain` {domain!r} yet. Call `.remove()` on what "
            "add_gradient_noise returned for it, or pass another `domain`."
        )
        raise ValueError(message)
