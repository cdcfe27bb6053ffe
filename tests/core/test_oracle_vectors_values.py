"""The published numbers against what the library had no part in, and every array library's."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_stream
from libraries import Library
from vector_cases import PUBLISHED, answer

from gradnoise_core.oracle.vectors import check_vectors, matching, write_vectors

#: Random123's file of known answers, threefry2x32 with 20 rounds.
KNOWN = {
    ((0, 0), (0, 0)): (0x6B200159, 0x99BA4EFE),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2): (0x1CB996FC, 0xBB002BE7),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)): (0xC4923A9C, 0x483DF7A0),
}


def due(name: str, output: str = "") -> Any:
    outputs = PUBLISHED[name].outputs
    return outputs[output or next(iter(outputs))].array


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = PUBLISHED[name].parameters["cases"]
    return found


def elements(case: Mapping[str, Any]) -> list[int]:
    """Return the row-major positions of a case's block in the whole leaf."""
    start, within = ([int(n) for n in case[key]] for key in ("at", "within"))
    return [
        reference_stream.element([a + i for a, i in zip(start, index, strict=True)], within)
        for index in np.ndindex(*case["shape"])
    ]


def keys(case: Mapping[str, Any]) -> list[tuple[int, int]]:
    seeds = case["seed"] if isinstance(case["seed"], list) else [case["seed"]]
    where = case["path"], int(case["step"]), case["domain"]
    return [reference_stream.leaf_key(int(s), *where) for s in seeds]


def reference_words(case: Mapping[str, Any]) -> list[int]:
    return [reference_stream.word(key, i) for key in keys(case) for i in elements(case)]


PLACES = [n.partition("/")[2] for n in PUBLISHED.names if n.startswith("words/")][3:]


class TestStream:
    """Every word and normal again, from the specification alone."""

    def test_the_cipher_has_random123s_known_answers(self) -> None:
        vector = PUBLISHED["words/cipher"]
        rows = zip(vector.inputs["keys"].tolist(), vector.inputs["counters"].tolist(), strict=True)
        found = due("words/cipher").tolist()
        table = {(tuple(k), tuple(c)): tuple(w) for (k, c), w in zip(rows, found, strict=True)}
        assert KNOWN.items() <= table.items()
        assert all(reference_stream.threefry(*pair) == w for pair, w in table.items())

    def test_folding(self) -> None:
        given = PUBLISHED["words/fold-in"].parameters
        for i, seed in enumerate(map(int, given["seeds"])):
            for j, n in enumerate(map(int, given["numbers"])):
                expected = reference_stream.fold_in(divmod(seed, 2**32), n)
                assert tuple(due("words/fold-in")[i, j].tolist()) == expected

    def test_the_keys_of_leaves(self) -> None:
        given, found = PUBLISHED["words/leaf-keys"].parameters, due("words/leaf-keys")
        assert found.shape == (*(len(given[k]) for k in ("seeds", "domains", "paths", "steps")), 2)
        for index in np.ndindex(*found.shape[:-1]):
            seed, domain, path, step = (
                given[k][i]
                for k, i in zip(("seeds", "domains", "paths", "steps"), index, strict=True)
            )
            expected = reference_stream.leaf_key(int(seed), path, int(step), domain)
            assert tuple(found[index].tolist()) == expected

    @pytest.mark.parametrize("place", PLACES)
    def test_words_and_normals(self, place: str) -> None:
        name = f"words/{place}"
        words = [w for case in cases(name) for w in reference_words(case)]
        assert due(name).reshape(-1).tolist() == words
        assert cases(f"normals/{place}") == cases(name)
        normals = due(f"normals/{place}").reshape(-1).tolist()
        assert normals == [reference_stream.normal(w) for w in words]

    def test_the_whole_quantile_table(self) -> None:
        given = PUBLISHED["normals/quantile"].inputs["words"]
        found = due("normals/quantile").tolist()
        assert found == [reference_stream.normal(w) for w in given.tolist()]

    def test_the_words_of_the_quantile_table_stand_at_every_border(self) -> None:
        """The borders once more, by another road: a table of all magnitudes cannot be made."""

        def segment(m: int) -> int:
            y = np.float32(np.float32(m) + np.float32(0.5))
            return int(y.view(np.int32)) >> 14

        words = PUBLISHED["normals/quantile"].inputs["words"].tolist()
        assert words[:4] == [0, 2**31 - 1, 2**31, 2**32 - 1]
        magnitudes = [w if w < 2**31 else 2**32 - 1 - w for w in words[4:]]
        assert {w < 2**31 for w in words[4:]} == {True, False}
        last, first = magnitudes[0::2], magnitudes[1::2]
        assert first[0] == 0
        for before, after, m in zip(last[1:], first[1:], first[:-1], strict=True):
            assert after == before + 1
            assert segment(before) < segment(after)
            assert segment(m) == segment(before)  # no border is passed over
        assert segment(first[-1]) == segment(2**31 - 1)


class TestNoise:
    @pytest.mark.parametrize("place", [*PLACES, "steps-in-float64"])
    def test_is_sigma_times_the_reference_normal(self, place: str) -> None:
        name = f"noise/{place}"
        expected = [
            math.sqrt(0.01 / (1 + int(case["step"])) ** 0.55) * reference_stream.normal(w)
            for case in cases(name)
            for w in reference_words(case)
        ]
        found = due(name).astype(np.float64).reshape(-1)
        assert np.allclose(found, expected, rtol=3e-7 if found.size else 0, atol=0)

    def sums(self, name: str, given: Any, domain: str, sign: int = 1) -> Any:
        out = np.empty(given.shape)
        for i, t in enumerate(map(int, PUBLISHED[name].parameters["steps"])):
            key = reference_stream.leaf_key(1, "layers/0/weight", t, domain)
            z = [reference_stream.normal(reference_stream.word(key, j)) for j in range(len(out[i]))]
            out[i] = given[i] + sign * math.sqrt(0.01 / (1 + t) ** 0.55) * np.asarray(z)
        return out

    @pytest.mark.parametrize(
        ("name", "array", "sign"),
        [("noise/sum/float64", "gradients", 1), ("noise/weights", "updates", -1)],
    )
    def test_is_added_and_weight_noise_is_taken_off(self, name: str, array: str, sign: int) -> None:
        vector = PUBLISHED[name]
        given = vector.inputs[array].astype(np.float64)
        expected = self.sums(name, given, vector.parameters["domain"], sign)
        assert np.abs(due(name) - expected).max() < (1e-14 if sign > 0 else 1e-6)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_16_bits_are_the_sum_rounded_once_wherever_it_is_rounded_from(self, dtype: str) -> None:
        """No sum is so near to the middle of two neighbours that its last bit would matter."""
        torch = pytest.importorskip("torch")
        name = f"noise/sum/{dtype}"
        kind = getattr(torch, dtype)

        def numbers(array: Any) -> Any:
            bits = torch.tensor(array.view(np.int16).astype(np.int16))
            return bits.view(kind).to(torch.float64).numpy()

        given = numbers(PUBLISHED[name].inputs["gradients"])
        exact = self.sums(name, given, "gradient-noise")
        for factor in (1 - 1e-6, 1.0, 1 + 1e-6):
            rounded = torch.tensor(exact * factor, dtype=torch.float32).to(kind)
            assert np.array_equal(rounded.to(torch.float64).numpy(), numbers(due(name)))


def test_schedules_are_the_formulas() -> None:
    for name in matching(PUBLISHED.names, ["schedules/annealed"]):
        given = PUBLISHED[name].parameters
        steps = np.asarray([int(t) for t in given["steps"]], dtype=np.longdouble)
        variance = given["eta"] / (1 + steps) ** np.longdouble(given["gamma"])
        assert np.allclose(due(name, "variance"), variance.astype(float), rtol=1e-15, atol=0)
        deviation = np.sqrt(variance).astype(float)
        assert np.allclose(due(name, "standard_deviation"), deviation, rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_is_the_formula_in_exact_numbers(dtype: str) -> None:
    from fractions import Fraction

    vector = PUBLISHED[f"clipping/global-norm/{dtype}"]
    for i, limit in enumerate(vector.parameters["limits"]):
        g = [float(x) for leaf in vector.inputs.values() for x in leaf[i].reshape(-1)]
        found = [float(x) for out in vector.outputs.values() for x in out.array[i].reshape(-1)]
        if not all(map(math.isfinite, g)):
            assert np.array_equal(found, g, equal_nan=True)
            continue
        square = sum(Fraction(x) ** 2 for x in g)
        for x, y in zip(g, found, strict=True):
            if square <= Fraction(limit) ** 2:
                assert y == x
            else:  # y = x limit / norm, so y**2 norm**2 = (x limit)**2
                wanted = (Fraction(x) * Fraction(limit)) ** 2
                tolerance = Fraction(4e-6 if dtype == "float32" else 4e-15)
                assert abs(Fraction(y) ** 2 * square - wanted) <= tolerance * wanted
                assert (y > 0) == (x > 0)


def of_torch(make: Callable[..., Any], name: str, **keywords: Any) -> Any:
    """Run an optimizer of torch over a vector's inputs."""
    torch = pytest.importorskip("torch")
    vector = PUBLISHED[name]
    before, after = vector.parameters["rate"]["values"]
    p = torch.tensor(vector.inputs["start"].copy(), requires_grad=True)
    optimizer, path = make(torch)([p], lr=before, **keywords), []
    for t, g in enumerate(vector.inputs["gradients"]):
        optimizer.param_groups[0]["lr"] = before if t < 50 else after
        p.grad = torch.tensor(g.copy())
        optimizer.step()
        path.append(p.detach().numpy().copy())
    return np.stack(path)


DECAY = {"weight_decay": 0.01}
TORCH: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd/torch/plain": ("SGD", {}),
    "sgd/torch/decay": ("SGD", DECAY),
    "momentum/torch/plain": ("SGD", {"momentum": 0.9}),
    "momentum/torch/decay": ("SGD", {"momentum": 0.9, **DECAY}),
    "momentum/torch/nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, **DECAY}),
    "momentum/torch/dampening": ("SGD", {"momentum": 0.9, "dampening": 0.5}),
    "adagrad/torch/plain": ("Adagrad", {}),
    "adagrad/torch/decay": ("Adagrad", DECAY),
    "rmsprop/torch/plain": ("RMSprop", {}),
    "rmsprop/torch/decay": ("RMSprop", DECAY),
    "rmsprop/torch/centered": ("RMSprop", {"centered": True, **DECAY}),
    "rmsprop/torch/momentum": ("RMSprop", {"momentum": 0.9}),
    "adadelta/torch/plain": ("Adadelta", {}),
    "adadelta/torch/decay": ("Adadelta", DECAY),
    "adam/torch/plain": ("Adam", {}),
    "adam/torch/decay": ("Adam", DECAY),
    "adam/torch/amsgrad": ("Adam", {"amsgrad": True, **DECAY}),
    "adamw/torch/plain": ("AdamW", {}),
    "adamw/torch/decay": ("AdamW", DECAY),
    "adamw/torch/amsgrad": ("AdamW", {"amsgrad": True, **DECAY}),
}


class TestFrameworks:
    """What the frameworks themselves compute passes; their own defaults, their own code."""

    def test_torch_optim_passes_every_vector_in_its_dialect(self, tmp_path: Path) -> None:
        paths = {
            f"trajectories/{name}": of_torch(
                lambda torch, kind=kind: getattr(torch.optim, kind),
                f"trajectories/{name}",
                **keywords,
            )
            for name, (kind, keywords) in TORCH.items()
        }
        report = check_vectors(answer(tmp_path, paths), only=list(paths))
        assert report.passed, report
        # Torch has no RMSprop with Nesterov's step; that is our keyword on its dialect.
        missing = set(matching(PUBLISHED.names, ["trajectories/*/torch"])) - set(paths)
        assert missing == {"trajectories/rmsprop/torch/nesterov"}

    def test_optax_passes_in_its_dialect(self, tmp_path: Path) -> None:
        optax = pytest.importorskip("optax")
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        decay = optax.add_decayed_weights(0.01)
        makers = {
            "sgd/optax/plain": optax.sgd,
            "momentum/optax/nesterov": lambda h: optax.chain(
                decay, optax.sgd(h, momentum=0.9, nesterov=True)
            ),
            "adagrad/optax/decay": lambda h: optax.chain(decay, optax.adagrad(h)),
            "rmsprop/optax/nesterov": lambda h: optax.chain(
                decay, optax.rmsprop(h, momentum=0.9, nesterov=True, centered=True)
            ),
            "adadelta/optax/decay": lambda h: optax.adadelta(h, weight_decay=0.01),
            "adam/optax/decay": lambda h: optax.chain(decay, optax.adam(h)),
            "adam/optax/amsgrad": lambda h: optax.chain(decay, optax.amsgrad(h)),
            "adamw/optax/plain": optax.adamw,
        }
        paths = {}
        for short, make in makers.items():
            vector = PUBLISHED[f"trajectories/{short}"]
            before, after = vector.parameters["rate"]["values"]
            optimizer = make(lambda count, rates=(before, after): jnp.where(count < 50, *rates))

            def step(carry: Any, g: Any, optimizer: Any = optimizer) -> Any:
                p, state = carry
                updates, state = optimizer.update(g, state, p)
                p = optax.apply_updates(p, updates)
                return (p, state), p

            p = jnp.asarray(vector.inputs["start"])
            given = jnp.asarray(vector.inputs["gradients"])
            _, path = jax.lax.scan(step, (p, optimizer.init(p)), given)
            paths[f"trajectories/{short}"] = np.array(path)
        report = check_vectors(answer(tmp_path, paths), only=list(paths))
        assert report.passed, report

    @pytest.mark.parametrize("foreach", [False, True])
    def test_torch_optim_in_float32_passes_as_such(self, tmp_path: Path, foreach: bool) -> None:
        torch = pytest.importorskip("torch")
        name = "trajectories/adam/torch/decay"
        vector = PUBLISHED[name]
        p = torch.tensor(vector.inputs["start"], dtype=torch.float32, requires_grad=True)
        optimizer, path = torch.optim.Adam([p], lr=0.05, weight_decay=0.01, foreach=foreach), []
        for t, g in enumerate(vector.inputs["gradients"]):
            optimizer.param_groups[0]["lr"] = 0.05 if t < 50 else 0.005
            p.grad = torch.tensor(g, dtype=torch.float32)
            optimizer.step()
            path.append(p.detach().numpy().copy())
        assert check_vectors(answer(tmp_path, {name: np.stack(path)}), only=[name]).passed


class TestLangevin:
    """The optimizers that draw noise, from their formulas and the normals that are given."""

    def test_sgld(self) -> None:
        for name in matching(PUBLISHED.names, ["trajectories/sgld"]):
            vector = PUBLISHED[name]
            k = vector.parameters["keywords"]
            p, path = vector.inputs["start"].copy(), []
            pairs = zip(vector.inputs["gradients"], vector.inputs["normals"], strict=True)
            for t, (g, z) in enumerate(pairs):
                h = k["drift"] * (0.05 if t < 50 else 0.005)
                p = p - h * g + math.sqrt(2 * h * k["temperature"]) * z.astype(np.float64)
                path.append(p)
            assert np.abs(np.stack(path) - due(name)).max() < 1e-12

    def test_psgld(self) -> None:
        for name in matching(PUBLISHED.names, ["trajectories/psgld"]):
            vector = PUBLISHED[name]
            k = vector.parameters["keywords"]
            p, path = vector.inputs["start"].copy(), []
            v = np.full(p.shape, k["initial_accumulator"])
            pairs = zip(vector.inputs["gradients"], vector.inputs["normals"], strict=True)
            for t, (g, z) in enumerate(pairs):
                h = 0.5 * vector.parameters["rate"]["values"][t >= 50]
                v = 0.99 * v + 0.01 * g**2
                m = 1 / (np.sqrt(v + 1e-5) if k["eps_in_sqrt"] else np.sqrt(v) + 1e-5)
                p = p - h * m * g + np.sqrt(2 * h * m) * z
                path.append(p)
            assert np.abs(np.stack(path) - due(name)).max() < 1e-11

    def test_santa(self) -> None:
        for name in matching(PUBLISHED.names, ["trajectories/santa"]):
            vector = PUBLISHED[name]
            k = vector.parameters["keywords"]
            p, path = vector.inputs["start"].copy(), []
            v, before = np.zeros(p.shape), None
            u = math.sqrt(0.05) * vector.inputs["first_normals"][0].astype(np.float64)
            a = np.full(p.shape, math.sqrt(0.05) * k["friction"])
            pairs = zip(vector.inputs["gradients"], vector.inputs["normals"], strict=True)
            for t, (g, z) in enumerate(pairs):
                h = 0.05 if t < 50 else 0.005
                beta, exploring = math.sqrt(1 + t), t < k["burn_in"]
                v = 0.99 * v + 0.01 * (g / k["data_size"]) ** 2
                now = 1 / np.sqrt(k["eps"] + np.sqrt(v))
                before = now if before is None else before
                drift, kick = h * now * g, 0.0
                if exploring:
                    kick = h / beta * (1 - before / now) / u + np.sqrt(2 * h / beta * before) * z
                if k["scheme"] == "euler":
                    a = a + exploring * (u**2 - h / beta)
                    u = (1 - a) * u - drift + kick
                    p = p + now * u
                else:
                    p = p + now * u / 2
                    a = a + exploring * (u**2 - h / beta) / 2
                    u = np.exp(-a / 2) * (np.exp(-a / 2) * u - drift + kick)
                    a = a + exploring * (u**2 - h / beta) / 2
                    p = p + now * u / 2
                before = now
                path.append(p)
            assert np.abs(np.stack(path) - due(name)).max() < 1e-11

    @pytest.mark.parametrize("optimizer", ["sgld", "psgld", "santa"])
    def test_the_normals_that_are_given_are_those_of_the_stream(self, optimizer: str) -> None:
        vector = PUBLISHED[matching(PUBLISHED.names, [f"trajectories/{optimizer}"])[0]]
        noise = vector.parameters["noise"]
        for array, domain in noise["domains"].items():
            for t, row in enumerate(vector.inputs[array].tolist()):
                key = reference_stream.leaf_key(int(noise["seed"]), noise["path"], t, domain)
                expected = [reference_stream.word(key, i) for i in range(len(row))]
                assert row == list(map(reference_stream.normal, expected))


#: What each array library computes here; that its bits are the stream's has tests of its own.
DRAWN = [
    *(f"words/{place}" for place in ("elements", "all-at-once", "blocks", "replicas")),
    *(f"normals/{place}" for place in ("quantile", "all-at-once", "scalar", "replicas")),
    *(f"noise/{place}" for place in ("elements", "replicas", "sum/float32", "sum/float64")),
    *("noise/leaves", "noise/after-clipping", "noise/weights", "clipping"),
]


class TestLibraries:
    """Every array library at hand computes a set that passes."""

    @pytest.mark.parametrize(
        "only",
        [
            DRAWN,
            [f"trajectories/*/paper/{v}" for v in ("plain", "nesterov", "amsgrad", "symmetric")],
        ],
        ids=["drawn", "trajectories"],
    )
    def test_writes_a_set_that_passes(
        self, library: Library, tmp_path: Path, only: list[str]
    ) -> None:
        where = {"backend": library.backend, "device": library.device}
        folder = write_vectors(tmp_path / "set", only=only, **where)
        report = check_vectors(folder, only=only)
        assert report.passed, report

    def test_float16(self, library: Library, tmp_path: Path) -> None:
        if library.name == "array_api_strict":
            pytest.skip("array_api_strict has no float16")
        only = ["noise/sum/float16"]
        where = {"backend": library.backend, "device": library.device}
        assert check_vectors(write_vectors(tmp_path / "set", only=only, **where), only=only).passed
