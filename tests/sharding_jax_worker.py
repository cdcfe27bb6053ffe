"""JAX on eight host devices, or one of two processes with two each; prints verdicts as JSON.

A verdict is "" where every block equals the slice of the whole that NumPy draws, else what
differed. At step 3 with eta = gamma = 1 sigma is 1/2: sigma z is exact, so that a multiply-add
that XLA contracts in one program and not in another rounds alike.
"""

import json
import os
import re
import sys
from typing import Any

DEVICES = {"devices": 8, "processes": 2}
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES[sys.argv[1]]}"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import gradnoise_core as gn

SEED, STEP = 2**63 + 5, 3

#: Leaves, each with the axes of the mesh "x", "y" that cut its own; "big" ones are drawn alone.
LEAVES: dict[str, tuple[tuple[int, ...], tuple[Any, ...]]] = {
    "scalar": ((), ()),
    "replicated": ((5, 3), ()),
    "row": ((16,), ("x",)),
    "matrix/0": ((8, 5), ("x",)),
    "matrix/1": ((3, 16), (None, "x")),
    "cube/0": ((8, 3, 5), ("x",)),
    "cube/1": ((3, 8, 2), (None, "x")),
    "cube/2": ((2, 3, 24), (None, None, "x")),
    "big/row": ((32_000,), ("x",)),
    "big/matrix/1": ((130, 160), (None, "x")),
    "big/cube/1": ((20, 40, 30), (None, "x")),
    "big/pairs/0": ((80, 320), ("x",)),
    "big/pairs/1": ((60, 320), (None, "x")),
}
PLANE: dict[str, tuple[tuple[int, ...], tuple[Any, ...]]] = {
    "matrix/xy": ((8, 12), ("x", "y")),
    "matrix/yx": ((4, 8), ("y", "x")),
    "matrix/both": ((3, 16), (None, ("x", "y"))),
    "row/both": ((16,), (("y", "x"),)),
    "cube/y": ((2, 3, 8), (None, None, "y")),
    "big/xy": ((160, 136), ("x", "y")),
    "big/pairs/xy": ((4, 80, 64), (None, "x", "y")),
}
REPLICAS: dict[str, tuple[tuple[int, ...], tuple[Any, ...]]] = {
    "scalar": ((8,), ("x",)),
    "row": ((8, 5), ("x",)),
    "cube": ((8, 3, 7), ("x",)),
    "big": ((8, 200, 90), ("x",)),
    "big/pairs": ((8, 130, 128), ("x",)),
}

COLLECTIVE = re.compile(
    r"\b(all-gather|all-to-all|all-reduce|collective-permute|collective-broadcast|reduce-scatter)"
    r"[\w.-]*\(|(\w*callback\w*)"
)


def whole(leaves: dict[str, Any]) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {k: np.float32(1) * random.standard_normal(s, "f4") for k, (s, _) in leaves.items()}


def cut(tree: dict[str, Any], leaves: dict[str, Any], mesh: Mesh) -> dict[str, Any]:
    """Return each whole leaf as an array of which each device holds its block."""
    return {
        k: jax.make_array_from_callback(
            g.shape, NamedSharding(mesh, P(*leaves[k][1])), lambda index, g=g: g[index]
        )
        for k, g in tree.items()
    }


def talk(compiled: Any) -> str:
    """Return which operations of a compiled program move data between devices, or to Python."""
    found = {a or b for a, b in COLLECTIVE.findall(compiled.as_text())}
    return f"{' '.join(sorted(found))}; " if found else ""


def differs(found: Any, expected: Any, like: Any, name: str) -> str:
    """Return what is wrong with the blocks at hand, bit for bit, and with how they are placed."""
    expected = np.asarray(expected)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{name}: {found.shape} {found.dtype}; "
    wrong = "" if found.sharding.is_equivalent_to(like.sharding, found.ndim) else f"{name} placed; "
    assert found.addressable_shards
    for shard in found.addressable_shards:
        if np.asarray(shard.data).tobytes() != expected[shard.index].tobytes():
            wrong += f"{name} {shard.index}; "
    return wrong


def compare(found: Any, expected: Any, like: Any) -> str:
    return "".join(differs(found[k], expected[k], like[k], k) for k in like)


def _at(transformation: Any, tree: Any, step: int = STEP) -> Any:
    return transformation.init(tree)._replace(count=step)


def noise(leaves: dict[str, Any], mesh: Mesh, eta: Any = 1.0, seed: Any = SEED) -> str:
    """Add noise at a step that is traced."""
    transformation = gn.add_gradient_noise(eta, 1.0, seed=seed)
    tree = whole(leaves)
    expected, _ = transformation.update(tree, _at(transformation, tree))
    grads = cut(tree, leaves, mesh)
    state = _at(transformation, grads)
    compiled = jax.jit(transformation.update).lower(grads, state).compile()
    found, after = compiled(grads, state)
    assert int(after.count) == STEP + 1
    return talk(compiled) + compare(found, expected, grads)


def share(name: str) -> float:
    """Return which part of the work of one device each of eight does for a leaf."""
    transformation = gn.add_gradient_noise()
    shape, cuts = LEAVES[name]
    flops = []
    for cut_by in ((), cuts):
        g = jax.device_put(jnp.zeros(shape), NamedSharding(mesh_of((8,)), P(*cut_by)))
        state = transformation.init(g)._replace(count=STEP)
        compiled = jax.jit(transformation.update).lower(g, state).compile()
        flops.append(compiled.cost_analysis()["flops"])
    return flops[1] / flops[0]


def static(leaves: dict[str, Any], mesh: Mesh) -> str:
    """Add noise to zeros at a step that is a Python int: any sigma times z, to the bit."""
    transformation = gn.add_gradient_noise(0.3, seed=SEED)
    tree = {k: np.zeros_like(g) for k, g in whole(leaves).items()}
    expected, _ = transformation.update(tree, _at(transformation, tree))
    grads = cut(tree, leaves, mesh)
    update = jax.jit(lambda g: transformation.update(g, _at(transformation, tree))[0])
    compiled = update.lower(grads).compile()
    return talk(compiled) + compare(compiled(grads), expected, grads)


def adam(leaves: dict[str, Any], mesh: Mesh) -> str:
    """A step of noisy Adam: moments to the bit, updates to rounding.

    With b1 = b2 = 1/2 and moments of 0 no product in the moments is rounded but g**2. The update
    divides by the corrections of the bias, which XLA rounds otherwise in another program.
    """
    optimizer = gn.noisy(gn.adam(1e-2, b1=0.5, b2=0.5), 1.0, 1.0, seed=SEED)
    tree = whole(leaves)

    def run(grads: Any, jit: Any) -> Any:
        noisy, inner = optimizer.init(grads)
        return jit(optimizer.update)(grads, (noisy._replace(count=STEP), inner), grads)

    expected, after = run(tree, lambda f: f)
    grads = cut(tree, leaves, mesh)
    programs = []

    def compile_(function: Any) -> Any:
        def call(*given: Any) -> Any:
            programs.append(jax.jit(function).lower(*given).compile())
            return programs[0](*given)

        return call

    found, state = run(grads, compile_)
    wrong = talk(programs[0])
    for moment, e in zip(trees(state), trees(after), strict=True):
        wrong += compare(moment, e, grads)
    for k, update in found.items():
        near = np.allclose(np.asarray(update), expected[k], rtol=2**-20, atol=0)
        placed = update.sharding.is_equivalent_to(grads[k].sharding, update.ndim)
        wrong += "" if near and placed else f"update {k}; "
    return wrong


def trees(state: Any) -> list[Any]:
    """Return the trees of arrays in a state."""
    if isinstance(state, dict):
        return [state]
    return [t for part in state for t in trees(part)] if isinstance(state, tuple) else []


def controls(mesh: Mesh) -> dict[str, str]:
    """Programs that must talk, and a block that must differ."""
    x = cut({"row": np.arange(16, dtype=np.float32)}, LEAVES, mesh)["row"]

    def back(values: Any) -> Any:
        shape = jax.ShapeDtypeStruct(values.shape, values.dtype)
        return jax.pure_callback(lambda v: v, shape, values)

    programs = {
        "reversed": jax.jit(lambda v: v[::-1], out_shardings=x.sharding),
        "gathered": jax.jit(lambda v: v + 1, out_shardings=NamedSharding(mesh, P())),
        "summed": jax.jit(jnp.sum),
        "called": jax.jit(back),
    }
    found = {f"control {k}": talk(f.lower(x).compile()) for k, f in programs.items()}
    other = np.arange(16, dtype=np.float32)
    other[-1] = np.nextafter(other[-1], np.float32(0))
    found["control bit"] = differs(x, other, x, "row")
    gathered = programs["gathered"](x)
    found["control placed"] = differs(gathered, np.arange(1, 17, dtype=np.float32), x, "row")
    return found


def mesh_of(shape: tuple[int, ...]) -> Mesh:
    devices = jax.devices()[: int(np.prod(shape))]
    return Mesh(np.asarray(devices).reshape(shape), ("x", "y")[: len(shape)])


def on_devices() -> dict[str, str]:
    found = {f"noise {n}": noise(LEAVES, mesh_of((n,))) for n in (1, 2, 4, 8)}
    for shape in ((2, 4), (4, 2)):
        found[f"noise {shape[0]}x{shape[1]}"] = noise(PLANE, mesh_of(shape))
    found["static 8"] = static(LEAVES, mesh_of((8,)))
    found["static 2x4"] = static(PLANE, mesh_of((2, 4)))
    found["adam 8"] = adam(LEAVES, mesh_of((8,)))
    found["adam 2x4"] = adam(PLANE, mesh_of((2, 4)))
    seeds = [0, 1, 2, 2**64 - 1, 4, 2**32, 6, 7]
    found["replicas 4"] = noise(REPLICAS, mesh_of((4,)), seed=seeds)
    # Variances whose roots are powers of two.
    etas = [4.0**k for k in range(-4, 4)]
    found["replicas each 8"] = noise(REPLICAS, mesh_of((8,)), eta=etas, seed=seeds)
    found |= {f"share {k}": str(share(k)) for k in LEAVES if k.startswith("big")}
    return {**found, **controls(mesh_of((8,)))}


def in_processes(port: str, rank: str) -> dict[str, str]:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(rank))
    assert (jax.device_count(), jax.local_device_count()) == (4, 2)
    line, plane = mesh_of((4,)), mesh_of((2, 2))
    return {"noise 4": noise(LEAVES, line), "noise 2x2": noise(PLANE, plane)}


if __name__ == "__main__":
    mode, *rest = sys.argv[1:]
    print(json.dumps(on_devices() if mode == "devices" else in_processes(*rest)))
