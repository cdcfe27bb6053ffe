"""Adam with gradient noise in plain NumPy (or CuPy), in place: no allocation after the first step.

Algorithm 1 of Kingma & Ba (2015) with both bias corrections moved into scalars, as their section 2
suggests, so that each array is passed over as seldom as ufuncs allow.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.work import ETA, RATE, sigma

__all__ = ["InPlaceAdam"]

B1, B2, EPS = 0.9, 0.999, 1e-8


class InPlaceAdam:
    """Parameters, moments and two scratch arrays, all written in place.

    Parameters
    ----------
    params : sequence of arrays
        Written to.
    xp : module
        ``numpy`` or ``cupy``.
    normals : callable
        ``array -> array``: standard normals of its shape, written into it if that is cheapest.
    eta : float
        Variance at t = 0; 0 draws nothing.
    piece : int, optional
        Elements to work on at once; the whole leaf by default.
    """

    def __init__(
        self,
        params: Sequence[Any],
        xp: Any,
        normals: Callable[[Any], Any],
        eta: float = ETA,
        piece: int | None = None,
    ) -> None:
        self.params = list(params)
        self.m = [xp.zeros_like(p) for p in params]
        self.v = [xp.zeros_like(p) for p in params]
        self.xp, self.normals, self.eta = xp, normals, eta
        longest = max(p.size for p in params)
        self.piece = longest if piece is None else min(piece, longest)
        self.scratch = xp.empty((2, self.piece), dtype=params[0].dtype)
        self.t = 0

    def step(self, grads: Sequence[Any]) -> None:
        """Make one step; the gradients are only read."""
        noise = sigma(self.t, self.eta)
        self.t += 1
        c1, c2 = 1 - B1**self.t, 1 - B2**self.t
        rate, eps = RATE * c2**0.5 / c1, EPS * c2**0.5
        for p, g, m, v in self._pieces(grads):
            a, b = self.scratch[0, : p.size], self.scratch[1, : p.size]
            self._moments(self._noisy(g, noise, a), m, v, a, b)
            # p -= rate * m / (sqrt(v) + eps)
            self.xp.sqrt(v, out=a)
            self.xp.add(a, eps, out=a)
            self.xp.divide(m, a, out=a)
            self.xp.multiply(a, rate, out=a)
            self.xp.subtract(p, a, out=p)

    def _pieces(self, grads: Sequence[Any]) -> Iterator[tuple[Any, Any, Any, Any]]:
        for leaf in zip(self.params, grads, self.m, self.v, strict=True):
            size = leaf[0].size
            for start in range(0, size, self.piece):
                part = slice(start, min(start + self.piece, size))
                p, g, m, v = (x[part] for x in leaf)
                yield p, g, m, v

    def _noisy(self, g: Any, noise: float, out: Any) -> Any:
        """Return ``g + noise * z``, in `out`; g itself if there is no noise."""
        if noise == 0:
            return g
        self.xp.multiply(self.normals(out), noise, out=out)
        return self.xp.add(out, g, out=out)

    def _moments(self, g: Any, m: Any, v: Any, a: Any, b: Any) -> None:
        """Update ``m <- B1 m + (1 - B1) g`` and ``v <- B2 v + (1 - B2) g**2``; g may be `a`."""
        xp = self.xp
        xp.multiply(g, 1 - B1, out=b)
        xp.multiply(m, B1, out=m)
        xp.add(m, b, out=m)
        xp.multiply(g, g, out=a)
        xp.multiply(a, 1 - B2, out=a)
        xp.multiply(v, B2, out=v)
        xp.add(v, a, out=v)
