"""Vectors of gradient noise and weight noise: g + sigma_t z, and u - sigma_t z."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import gradnoise_core as gn
from gradnoise_core.noise import NoiseState
from gradnoise_core.oracle.vectors._normals import drawn
from gradnoise_core.oracle.vectors._outside import SCALES, uniform
from gradnoise_core.oracle.vectors._places import PLACES, Place
from gradnoise_core.oracle.vectors._rounding import from_bfloat16, to_bfloat16
from gradnoise_core.oracle.vectors._vector import (
    BITS,
    Arrays,
    Maker,
    Output,
    Tolerance,
    Tolerances,
    Vector,
    scaled,
)

__all__ = ["MAKERS"]

ETA, GAMMA = 0.01, 0.55
_NUMBERS = {"eta": ETA, "gamma": GAMMA}

#: sigma_t z is one product, and sigma_t a root of a power.
_PRODUCT: Mapping[str, Tolerances] = {
    "float32": {"float32": Tolerance(relative=3e-7)},
    "float64": {"float64": Tolerance(relative=1e-14), "float32": Tolerance(relative=4e-6)},
}


def _at(arrays: Arrays, transformation: Any, leaves: Mapping[str, Any], step: int) -> list[Any]:
    """Return what a noise makes of leaves at a step, as NumPy arrays."""
    tree = {path: arrays.array(g) for path, g in leaves.items()}
    noisy, _ = transformation.update(tree, NoiseState(step))
    return [arrays.numpy(noisy[path]) for path in leaves]


def _of_place(arrays: Arrays, place: Place, dtype: str) -> Any:
    """Return the noise of a place: that of a gradient of zeros."""
    if place.within is None:
        lead = (len(place.seed),) if isinstance(place.seed, tuple) else ()
        noise = gn.add_gradient_noise(ETA, GAMMA, seed=place.seed, domain=place.domain)
        zeros = np.zeros((*lead, *place.shape), dtype)
        return _at(arrays, noise, {place.path: zeros}, place.step)[0]
    sigma = math.sqrt(gn.schedules.annealed(ETA, GAMMA)(place.step))
    xp = arrays.xp
    z = xp.astype(drawn(arrays, place), getattr(xp, dtype))
    return arrays.numpy(sigma * z)


def _of_places(places: tuple[Place, ...], dtype: str) -> Maker:
    def make(arrays: Arrays) -> Vector:
        found = np.stack([_of_place(arrays, p, dtype) for p in places])
        return Vector(
            f"noise[i] is the noise sigma_t z of cases[i] in {dtype}: what gradient noise makes of "
            "a gradient of zeros, with sigma_t**2 = eta / (1 + t)**gamma at t, the case's step.",
            {**_NUMBERS, "cases": [p.as_json() for p in places]},
            {"noise": Output(found, _PRODUCT[dtype])},
        )

    return make


_SUM_STEPS = (0, 1, 99, 2**32 - 1)
_SUM_PLACE = {"seed": "1", "path": "layers/0/weight", "steps": [str(t) for t in _SUM_STEPS]}


def _gradients() -> Any:
    """Return float64 gradients of shape (4, 24) whose scales span seven decades, and both zeros."""
    g = uniform("noise", (len(_SUM_STEPS), 3 * len(SCALES))) * np.tile(SCALES, 3)
    g[:, 0], g[:, -1] = 0.0, -0.0
    return g


def _sums(arrays: Arrays, transformation: Any, given: Any) -> Any:
    pairs = zip(_SUM_STEPS, given, strict=True)
    return np.stack([_at(arrays, transformation, {"layers/0/weight": g}, t)[0] for t, g in pairs])


def _sum_of(dtype: str) -> Maker:
    def make(arrays: Arrays) -> Vector:
        given = _gradients().astype(dtype)
        found = _sums(arrays, gn.add_gradient_noise(ETA, GAMMA, seed=1), given)
        tolerances: dict[str, Tolerances] = {
            "float16": {"float16": BITS},
            "float32": {"float32": scaled(found, 1e-7)},
            "float64": {"float64": scaled(found, 1e-15), "float32": scaled(found, 1e-6)},
        }
        rounded = " The sum is formed in float32 and rounded once." * (dtype == "float16")
        return Vector(
            f"noisy[i] is gradients[i] + sigma_t z in {dtype}, at t = steps[i].{rounded}",
            {**_NUMBERS, "domain": "gradient-noise", **_SUM_PLACE},
            {"noisy": Output(found, tolerances[dtype])},
            {"gradients": given},
        )

    return make


def _sum_of_bfloat16(arrays: Arrays) -> Vector:
    given = to_bfloat16(_gradients())
    noise = gn.add_gradient_noise(ETA, GAMMA, seed=1)
    found = to_bfloat16(_sums(arrays, noise, from_bfloat16(given)))
    return Vector(
        "noisy[i] is gradients[i] + sigma_t z in bfloat16, at t = steps[i]. The sum is formed in "
        "float32 and rounded once. The arrays hold the numbers' 16 bits.",
        {**_NUMBERS, "domain": "gradient-noise", **_SUM_PLACE},
        {"noisy": Output(found, {"uint16": BITS})},
        {"gradients": given},
    )


def _weights(arrays: Arrays) -> Vector:
    given = _gradients().astype(np.float32)
    found = _sums(arrays, gn.add_weight_noise(ETA, GAMMA, seed=1), given)
    return Vector(
        "noisy[i] is updates[i] - sigma_t z in float32, at t = steps[i]: weight noise, on updates "
        "that are added to the parameters.",
        {**_NUMBERS, "domain": "weight-noise", **_SUM_PLACE},
        {"noisy": Output(found, {"float32": scaled(found, 1e-7)})},
        {"updates": given},
    )


_LAWS = ((0.01, 0.55), (0.3, 0.55), (1.0, 0.55), (0.0, 0.55), (0.01, 0.0), (1.0, 1.0))


def _laws(arrays: Arrays) -> Vector:
    zeros = {"layers/0/weight": np.zeros(8, np.float32)}
    found = [
        [_at(arrays, gn.add_gradient_noise(*law, seed=1), zeros, t)[0] for t in _SUM_STEPS]
        for law in _LAWS
    ]
    return Vector(
        "noise[i, j] is the noise sigma_t z of eight elements in float32 with eta = laws[i][0] and "
        "gamma = laws[i][1] at t = steps[j].",
        {"laws": [list(law) for law in _LAWS], "domain": "gradient-noise", **_SUM_PLACE},
        {"noise": Output(np.asarray(found), _PRODUCT["float32"])},
    )


#: Leaves of one tree: names of arrays, their paths, and shapes. Two have one shape.
_TREE = {
    "first": ("layers/0/weight", (2, 3)),
    "second": ("layers/1/weight", (2, 3)),
    "bias": ("layers/1/bias", (3,)),
    "scale": ("scale", ()),
}


def _tree(arrays: Arrays, transformation: Any, step: int) -> tuple[dict[str, Any], ...]:
    given = {n: uniform(f"noise/{n}", s).astype(np.float32) for n, (_, s) in _TREE.items()}
    leaves = {path: given[n] for n, (path, _) in _TREE.items()}
    tree = {path: arrays.array(g) for path, g in leaves.items()}
    state = transformation.init(tree)
    for _ in range(step):
        noisy, state = transformation.update(tree, state)
    noisy = {n: arrays.numpy(noisy[path]) for n, (path, _) in _TREE.items()}
    return given, noisy


_TREE_JSON = {
    "seed": "3",
    "domain": "gradient-noise",
    "paths": {n: p for n, (p, _) in _TREE.items()},
}


def _leaves(arrays: Arrays) -> Vector:
    given, noisy = _tree(arrays, gn.add_gradient_noise(ETA, GAMMA, seed=3), 3)
    return Vector(
        "Gradient noise on the leaves of one tree at t = 2, the third update: each output is the "
        "input of its name, plus sigma_t z of its own path.",
        {**_NUMBERS, **_TREE_JSON, "step": "2"},
        {n: Output(x, {"float32": scaled(x, 2e-7)}) for n, x in noisy.items()},
        given,
    )


def _clipped(arrays: Arrays) -> Vector:
    limit = 0.5
    chain = gn.chain(gn.clip_by_global_norm(limit), gn.add_gradient_noise(ETA, GAMMA, seed=3))
    given, noisy = _tree(arrays, chain, 1)
    return Vector(
        "The paper's order at t = 0: the gradient is clipped to a global norm of limit over all "
        "leaves, and then noise is added, which is not clipped.",
        {**_NUMBERS, **_TREE_JSON, "step": "0", "limit": limit},
        {n: Output(x, {"float32": scaled(x, 4e-7)}) for n, x in noisy.items()},
        given,
    )


MAKERS: dict[str, Maker] = {
    **{f"noise/{name}": _of_places(places, "float32") for name, places in PLACES.items()},
    "noise/steps-in-float64": _of_places(PLACES["steps"], "float64"),
    **{f"noise/sum/{t}": _sum_of(t) for t in ("float16", "float32", "float64")},
    "noise/sum/bfloat16": _sum_of_bfloat16,
    "noise/laws": _laws,
    "noise/weights": _weights,
    "noise/leaves": _leaves,
    "noise/after-clipping": _clipped,
}
