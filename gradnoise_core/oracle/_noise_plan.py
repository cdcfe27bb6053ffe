"""What a noise implementation is asked: which gradients, at which steps, and what is due."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from gradnoise_core._dtypes import dtype_name
from gradnoise_core.backend import backend_for
from gradnoise_core.tree import Leaves, flatten
from gradnoise_core.typing import Array, Namespace, Tree

__all__ = ["CLIPS", "ClipBy", "Plan", "clipped", "leaves_of", "plan_calls"]

ClipBy: TypeAlias = Literal["global norm", "norm", "value"]
CLIPS: tuple[ClipBy, ...] = ("global norm", "norm", "value")

#: Odd sizes, two leaves of one shape, a small one, and several axes.
_SHAPES: dict[str, tuple[int, ...]] = {
    "a": (97, 53),
    "b": (97, 53),
    "c": (5003,),
    "d": (101,),
}

#: After the first steps: stages of a hundred, powers of ten, and where float32 stops counting.
_FAR = (
    *(99, 100, 101, 199, 200, 201, 999, 1000, 1001, 9999, 10**4),
    *(10**5, 10**6, 2**24 - 1, 2**24, 2**24 + 1),
)

#: How many normals are wanted in all, and calls at least and at most.
_NORMALS, _FEWEST, _MOST = 1 << 20, 64, 256

#: Below this size a check would take too many calls, and above it too long.
SMALLEST, LARGEST = 1 << 12, 1 << 18


def default_gradient(xp: Namespace | None) -> Tree:
    """Return float32 zeros, 15,386 of them in four leaves."""
    backend = backend_for(np if xp is None else xp)
    return {name: backend.from_host(np.zeros(shape, np.float32)) for name, shape in _SHAPES.items()}


def plan_steps(size: int, *, in_order: bool) -> tuple[int, ...]:
    """Return the steps at which an implementation is called: each once, in rising order."""
    calls = min(max(-(-_NORMALS // size), _FEWEST), _MOST)
    if in_order:
        return tuple(range(max(calls, 2 * _FEWEST)))
    return (*range(calls - len(_FAR)), *(t for t in _FAR if t >= calls - len(_FAR)))


def clipped(leaves: Sequence[Any], clip: float | None, by: str) -> list[Any]:
    """Return float64 leaves after clipping: what the noise is due to be added to."""
    if clip is None:
        return list(leaves)
    if by == "value":
        return [np.clip(x, -clip, clip) for x in leaves]
    norms = [float(np.linalg.norm(x)) for x in leaves]
    if by == "global norm":
        norms = [math.hypot(*norms)] * len(norms)
    return [x * min(1.0, clip / n) if n > 0 else x for x, n in zip(leaves, norms, strict=True)]


@dataclass(frozen=True)
class Plan:
    """The calls to make.

    Parameters
    ----------
    like : Leaves
        What the gradients are like.
    steps : tuple of int
        t of each call.
    kinds : tuple of str
        Which gradient each call gets.
    variance : callable
        The right law.
    clip, clip_by
        What the implementation claims to do to the gradient first.
    """

    like: Leaves
    steps: tuple[int, ...]
    kinds: tuple[str, ...]
    variance: Callable[[int], float]
    clip: float | None
    clip_by: ClipBy

    @property
    def sigmas(self) -> Any:
        """Standard deviations due, of shape (calls,)."""
        return np.sqrt([float(self.variance(t)) for t in self.steps])

    @property
    def sizes(self) -> list[int]:
        """Number of elements of each leaf."""
        return [math.prod(leaf.shape) for leaf in self.like.leaves]

    @property
    def slices(self) -> list[slice]:
        """Where each leaf lies in the elements of all."""
        ends = itertools.accumulate(self.sizes, initial=0)
        return [slice(a, b) for a, b in itertools.pairwise(ends)]

    @property
    def narrow(self) -> bool:
        """Whether a leaf has 16 bits."""
        return any("16" in dtype_name(leaf) for leaf in self.like.leaves)

    def gradient(self, call: int) -> list[Array]:
        """Return the leaves of a call's gradient, in the library and dtypes of `like`."""
        # The same in every check, and of no generator that an implementation is likely to use.
        rng = np.random.default_rng((0x6772_6164, 0x6E6F_6973, call))
        kind, sigma = self.kinds[call], float(self.sigmas[call])
        flat = _values(kind, sum(self.sizes), sigma, 2.0 if self.narrow else 1000.0, rng)
        leaves = [flat[s] for s in self.slices]
        if kind in ("over", "under") and self.clip is not None:
            leaves = self._beside_the_threshold(leaves, kind)
        return [self._array(x, leaf) for x, leaf in zip(leaves, self.like.leaves, strict=True)]

    def _beside_the_threshold(self, leaves: list[Any], kind: str) -> list[Any]:
        """Scale so that clipping takes away 99%, or nothing; leaves differ twofold in norm."""
        assert self.clip is not None
        shares = [2.0 ** (i % 3) / np.linalg.norm(x) for i, x in enumerate(leaves)]
        leaves = [x * share for x, share in zip(leaves, shares, strict=True)]
        largest = max(float(np.max(np.abs(x))) for x in leaves)
        norm = math.hypot(*(float(np.linalg.norm(x)) for x in leaves))
        if kind == "over":
            return [x * (100.0 * self.clip / norm) for x in leaves]
        under = largest if self.clip_by == "value" else norm
        return [x * (0.5 * self.clip / under) for x in leaves]

    def _array(self, values: Any, leaf: Array) -> Array:
        backend = self.like.backend
        assert backend is not None  # there is a leaf
        wide = np.float64 if dtype_name(leaf) == "float64" else np.float32
        array = backend.from_host(
            values.reshape(tuple(leaf.shape)).astype(wide), device=backend.device(leaf)
        )
        return backend.namespace.astype(array, leaf.dtype)


def plan_calls(
    like: Leaves,
    variance: Callable[[int], float],
    *,
    steps: tuple[int, ...] | None = None,
    clip: float | None = None,
    clip_by: ClipBy = "global norm",
    in_order: bool = False,
) -> Plan:
    """Return a plan: every other call gets a gradient of zeros.

    16 bits would round a clipped gradient by more than the noise, where that is small: such calls
    get zeros too.
    """
    size = sum(math.prod(leaf.shape) for leaf in like.leaves)
    steps = plan_steps(size, in_order=in_order) if steps is None else steps
    others = ("mixed", "large") if clip is None else ("over", "under")
    plan = Plan(like, steps, ("zero",) * len(steps), variance, clip, clip_by)
    drowned = plan.sigmas * math.sqrt(size) < (clip or 0.0)
    kinds = tuple(
        "zero" if call % 2 == 0 or (plan.narrow and drowned[call]) else others[call // 2 % 2]
        for call in range(len(steps))
    )
    return replace(plan, kinds=kinds)


def _values(kind: str, n: int, sigma: float, most: float, rng: Any) -> Any:
    """Return the elements of a gradient: zeros, or of many sizes, or all large."""
    if kind == "zero":
        return np.zeros(n)
    signs = rng.choice([-1.0, 1.0], n)
    if kind == "large":
        return signs * sigma * most
    sizes = most ** rng.uniform(-1.0, 1.0, n)
    if kind == "mixed":
        sizes[rng.random(n) < 0.1] = 0.0
        sizes *= sigma
    return signs * sizes


def leaves_of(like: Tree | None, xp: Namespace | None) -> Leaves:
    """Return the leaves that gradients are like, or refuse what a check could not judge."""
    if like is not None and xp is not None:
        message = "`like` and `xp` must not both be given: `like` has a namespace. Leave one out."
        raise ValueError(message)
    found = flatten(default_gradient(xp) if like is None else like, "like")
    size = sum(math.prod(leaf.shape) for leaf in found.leaves)
    if not SMALLEST <= size <= LARGEST or any(0 in leaf.shape for leaf in found.leaves):
        message = (
            f"`like` must have {SMALLEST:,} to {LARGEST:,} elements, and no leaf without any, for "
            f"its noise to be judged, got {size:,} in {len(found.leaves)} leaves. Pass another tree."
        )
        raise ValueError(message)
    return found
