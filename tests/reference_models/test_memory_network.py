"""The end-to-end memory network: its published vectors, its gradients, its replicas."""

import functools
from typing import Any

import numpy as np
import pytest
from memory_network_naive import (
    CASES,
    MEMORY,
    SIZE,
    WIDTH,
    WORDS,
    Case,
    Examples,
    examples,
    loss,
    loss_in_loops,
)

import gradnoise_core as gn
from gradnoise_core.tree import flatten, map_leaves
from gradnoise_reference_models.initializers import gaussian
from gradnoise_reference_models.models import memory_network as model
from gradnoise_reference_models.models.memory_network import MemoryNetwork

# torch.compile imports modules of torch that warn, and says of caches that it sees through them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools:UserWarning"),
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning"),
]

SEEDS = (0, 2**40 + 1)
#: Of the weights: every hop matters, and three linear ones do not overflow a plain exponential.
SCALE = 0.35

#: One replica of each attention.
LINEAR = (False, True)

each_case = pytest.mark.parametrize("case", CASES)
both_attentions = pytest.mark.parametrize("linear", LINEAR, ids=["softmax", "linear"])


def _network(case: str) -> MemoryNetwork:
    return MemoryNetwork(WORDS, WIDTH, MEMORY, SIZE, **CASES[case])


def _params(case: str, seed: Any) -> Any:
    """Return weights large enough that every hop matters."""
    return model.init(_network(case), seed, initializer=gaussian(SCALE), dtype=np.dtype(np.float64))


def _batch(library: Any, case: str, data: Examples) -> Any:
    ids = [library.array(a, "int64") for a in data]
    return model.batch(_network(case), *ids, dtype=library.xp.float64)


def _on(library: Any, params: Any, dtype: str = "float64") -> Any:
    return map_leaves(lambda a: library.array(a, dtype), params)


def _leaves(library: Any, tree: Any) -> list[Any]:
    return [library.numpy(a) for a in flatten(tree, "tree").leaves]


def _whole(library: Any, function: Any) -> Any:
    """Return `function`, on JAX as one program: there each eager operation is compiled alone."""
    return library.jit(function) if library.name == "jax" else function


def _numpy_batch(case: str, data: Examples) -> Any:
    return model.batch(_network(case), *data, dtype=np.dtype(np.float64))


# --- published vectors ------------------------------------------------------

VECTOR = MemoryNetwork(words=6, width=4, memory=3, size=4, hops=2)

#: What is expected of softmax attention, and of linear attention.
PUBLISHED: dict[str, tuple[Any, Any]] = {
    "p1[0]": (
        [0.3113313904, 0.5603854325, 0.1282831771],
        [-0.1676752775, 0.4200916328, -1.0542930454],
    ),
    "p1[1]": (
        [0.3026753882, 0.2586274034, 0.4386972084],
        [-0.3711485397, -0.5284210160, 0],
    ),
    "p2[1]": (
        [0.4865405187, 0.2379770494, 0.2754824320],
        [0.2160285808, -0.5591895784, 0],
    ),
    "u3[0]": (
        [0.8100457360, -0.4952745108, -0.2867938686, -0.6884224179],
        [-5.6650851175, -4.5738815959, 2.0957920176, -4.6152783878],
    ),
    "loss": (4.781156365634905, 7.063232350345491),
    "frobenius": (
        [2.1581679144, 1.2530553833, 2.3335855240],
        [17.9752732150, 14.8804745907, 14.4081767264],
    ),
    "spectral": (
        [1.7861408007, 1.1928121962, 1.8374327712],
        [16.6613065661, 14.7307419914, 12.8815855715],
    ),
    "g1[1]": (
        [0.9238498598, -0.1530581386, 0.2264759884, 0.3021494041],
        [7.7808788088, 2.4666864575, 0.0728509971, 4.1064383047],
    ),
    "g2[8]": (
        [0.0540289784, -0.1003974531, 0.1107845547, 0.0564709691],
        [-0.3670814067, 1.0741515630, 0.5638095316, 0.1468533532],
    ),
    "g3[1]": (
        [0.9322734927, -0.2128552162, -0.7602977146, -0.4860624386],
        [0.1306185489, 2.3515063085, -3.5243089887, 0.4937729340],
    ),
}


@both_attentions
def test_the_published_vectors(library: Any, linear: bool) -> None:
    k, v, a = np.meshgrid(np.arange(1, 4), np.arange(9), np.arange(1, 5), indexing="ij")
    E = 0.5 * np.sin(1.7 * k + 0.9 * v + 0.37 * a * (v + 1))
    E[:, 0] = 0
    params = {"E": [{"embedding": library.array(e, "float64")} for e in E]}
    stories = [[[1, 2, 0, 0], [3, 4, 5, 0], [2, 2, 1, 3]], [[5, 1, 3, 0], [4, 0, 0, 0], [0] * 4]]
    ids = (stories, [[3, 2, 1], [2, 1, 0]], [[4, 1, 0, 0], [2, 3, 5, 0]], [5, 1])
    arrays = [library.array(a, "int64") for a in ids]

    def run(params: Any, *ids: Any) -> Any:
        batch = model.batch(VECTOR, *ids, dtype=library.xp.float64)
        _, residuals = model.forward(VECTOR, params, batch, linear=linear)
        weights = model.attention_weights(VECTOR, params, batch, linear=linear)
        total, grads = model.loss_and_grads(VECTOR, params, batch, linear=linear)
        g = [layer["embedding"] for layer in grads["E"]]
        norms = [model.spectral_norm(x) for x in g]
        return residuals.state, weights, total, g, norms

    u, weights, total, g, norms = _whole(library, run)(params, *arrays)
    p, g = [library.numpy(x) for x in weights], [library.numpy(x) for x in g]
    found = {
        "p1[0]": p[0][0],
        "p1[1]": p[0][1],
        "p2[1]": p[1][1],
        "u3[0]": library.numpy(u)[0],
        "loss": float(total),
        "frobenius": [np.linalg.norm(x) for x in g],
        "spectral": [float(x) for x in norms],
        "g1[1]": g[0][1],
        "g2[8]": g[1][8],
        "g3[1]": g[2][1],
    }
    for name, expected in PUBLISHED.items():
        np.testing.assert_allclose(found[name], expected[linear], rtol=0, atol=6e-11, err_msg=name)


# --- values and gradients ---------------------------------------------------


@each_case
@both_attentions
def test_the_loss_is_that_of_the_formulas_in_loops(case: str, linear: bool) -> None:
    params, data = _params(case, 3), examples()
    found, _ = model.loss_and_grads(_network(case), params, _numpy_batch(case, data), linear=linear)
    assert found == pytest.approx(
        loss_in_loops(Case(**CASES[case]), params, data, linear), rel=1e-12
    )


@each_case
@both_attentions
def test_gradients_agree_with_central_differences(case: str, linear: bool) -> None:
    network, params = _network(case), _params(case, 3)
    batch = _numpy_batch(case, examples())
    _, grads = model.loss_and_grads(network, params, batch, linear=linear)
    # With this seed no state is so near to the rectifier's kink that a step crosses it.
    h = np.finfo(np.float64).eps ** (1 / 3)
    tree = flatten(params, "params")
    for path, leaf, grad in zip(
        tree.paths, tree.leaves, flatten(grads, "grads").leaves, strict=True
    ):
        assert grad.shape == leaf.shape
        for at in np.ndindex(leaf.shape):
            if path.endswith("embedding") and at[0] == 0 and not network.null:
                assert grad[at] == 0
                continue
            kept, total = leaf[at], []
            for moved in (kept + h, kept - h):
                leaf[at] = moved
                total.append(model.loss_and_grads(network, params, batch, linear=linear)[0])
            leaf[at] = kept
            assert grad[at] == pytest.approx((total[0] - total[1]) / (2 * h), rel=1e-6, abs=1e-7), (
                path,
                at,
            )


def _without_null(case: str, tree: Any) -> list[Any]:
    """Return the leaves of a gradient; without null's rows, unless they count."""
    leaves = flatten(tree, "grads")
    out = []
    for path, leaf in zip(leaves.paths, leaves.leaves, strict=True):
        g = np.array(leaf)
        if path.endswith("embedding") and not _network(case).null:
            g[..., 0, :] = 0
        out.append(g)
    return out


def _replica(tree: Any, r: int) -> Any:
    return map_leaves(lambda a: a[r], tree)


@functools.cache
def _by_torch(case: str) -> tuple[Any, list[Any]]:
    torch = pytest.importorskip("torch")
    params, data = _params(case, SEEDS), examples(2)
    theirs = map_leaves(lambda a: torch.tensor(a, requires_grad=True), params)
    losses = [
        loss(
            torch,
            Case(**CASES[case]),
            _replica(theirs, r),
            Examples(*(a[r] for a in data)),
            LINEAR[r],
        )
        for r in range(2)
    ]
    leaves = flatten(theirs, "params")
    grads = torch.autograd.grad(sum(losses), leaves.leaves, allow_unused=True)
    filled = [
        np.zeros(leaf.shape) if g is None else g.numpy()
        for leaf, g in zip(leaves.leaves, grads, strict=True)
    ]
    return np.asarray([x.item() for x in losses]), _without_null(case, leaves.rebuild(filled))


@functools.cache
def _by_jax(case: str) -> tuple[Any, list[Any]]:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    params, data = _params(case, SEEDS), examples(2)
    found = []
    for r in range(2):
        mine = Examples(*(a[r] for a in data))
        one = functools.partial(loss, jax.numpy, Case(**CASES[case]), data=mine, linear=LINEAR[r])
        found.append(
            jax.jit(jax.value_and_grad(one))(map_leaves(jax.numpy.asarray, _replica(params, r)))
        )
    grads = map_leaves(lambda a, b: np.stack([a, b]), found[0][1], found[1][1])
    return np.asarray([float(value) for value, _ in found]), _without_null(case, grads)


@functools.cache
def _loss_and_grads(library: Any, case: str) -> tuple[Any, list[Any]]:
    """Return what ours makes of two replicas, the first with a softmax, the second linear."""
    network, data = _network(case), examples(2)
    linear = library.array(LINEAR, "bool")

    def run(params: Any, linear: Any, *ids: Any) -> Any:
        batch = model.batch(network, *ids, dtype=library.xp.float64)
        return model.loss_and_grads(network, params, batch, linear=linear)

    ids = [library.array(a, "int64") for a in data]
    total, grads = _whole(library, run)(_on(library, _params(case, SEEDS)), linear, *ids)
    return library.numpy(total), _leaves(library, grads)


@pytest.mark.parametrize("reference", [_by_torch, _by_jax], ids=["torch", "jax"])
@each_case
def test_gradients_agree_with_autograd(library: Any, case: str, reference: Any) -> None:
    total, grads = _loss_and_grads(library, case)
    expected_total, expected = reference(case)
    np.testing.assert_allclose(total, expected_total, rtol=1e-12)
    for g, e in zip(grads, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12)
        assert g.dtype == np.float64


def test_a_wrong_gradient_is_seen() -> None:
    # What each mutant forgets: the softmax's mean, a side of the memory, the question, null.
    _, right = _by_torch("usual")
    network, params = _network("usual"), _params("usual", SEEDS[0])
    data = Examples(*(a[0] for a in examples(2)))
    batch = _numpy_batch("usual", data)
    logits, residuals = model.forward(network, params, batch)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    dlogits = p - np.eye(network.classes)[data.answers]
    hops = residuals.hops
    forgetful = [
        (kept._replace(attention=kept.attention._replace(linear=True)), rectified)
        for kept, rectified in hops
    ]
    unread = [(kept._replace(read=0 * kept.read), rectified) for kept, rectified in hops]
    wrong = {
        "mean": residuals._replace(hops=forgetful),
        "output": residuals._replace(hops=unread),
        "question": residuals._replace(question=0 * residuals.question),
        "order": residuals._replace(hops=hops[::-1]),
    }
    for name, made in {"right": residuals, **wrong}.items():
        grads = flatten(model.backward(network, params, made, dlogits), "grads").leaves
        same = [
            np.allclose(g, e[0], rtol=1e-10, atol=1e-12) for g, e in zip(grads, right, strict=True)
        ]
        assert all(same) == (name == "right"), name


def test_the_peer_of_the_benchmark_has_the_same_loss_and_gradient() -> None:
    torch = pytest.importorskip("torch")
    peers = pytest.importorskip("benchmarks.peers.torch_memory_network")
    data, network = examples(), _network("usual")
    params = _params("usual", 1)
    total, grads = model.loss_and_grads(network, params, _numpy_batch("usual", data))
    for encoder in peers.ENCODERS:
        ids = [torch.tensor(a) for a in data]
        options = {"vocabulary": WORDS, "size": SIZE, "hops": 2, "rate": 0.0, "clip": 40.0}
        peer = peers.TorchMemoryNetwork(encoder, *ids, **options)
        for e, layer in zip(peer.embeddings, params["E"], strict=True):
            e.data = torch.tensor(layer["embedding"], dtype=torch.float32)
        loss = peer.loss(torch.arange(4), ids[1])
        assert loss.item() == pytest.approx(float(total), rel=1e-6)
        for g, layer in zip(torch.autograd.grad(loss, peer.embeddings), grads["E"], strict=True):
            ours, theirs = layer["embedding"][1:], g[1:].numpy()
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


# --- replicas, compilers ----------------------------------------------------


def _one_step(library: Any, case: str, seed: Any, data: Examples, linear: Any) -> list[Any]:
    """Return the parameters after a clipped step from their own initialization."""
    network = _network(case)
    optimizer = gn.chain(gn.clip_by_norm(1.0, replicas=isinstance(seed, tuple)), gn.sgd(0.1))

    def step(params: Any, *ids: Any) -> Any:
        batch = model.batch(network, *ids, dtype=library.xp.float64)
        _, grads = model.loss_and_grads(network, params, batch, linear=linear)
        params, _ = gn.apply_gradients(optimizer, grads, optimizer.init(params), params)
        return model.without_null(network, params)

    ids = [library.array(a, "int64") for a in data]
    return _leaves(library, _whole(library, step)(_on(library, _params(case, seed)), *ids))


@pytest.mark.parametrize("case", ["usual", "layer-wise-paper"])
def test_replica_r_equals_the_solo_run_with_seed_r(library: Any, case: str) -> None:
    data = examples(2)
    together = _one_step(library, case, SEEDS, data, library.array(LINEAR, "bool"))
    for r, seed in enumerate(SEEDS):
        mine = Examples(*(a[r] for a in data))
        alone = _one_step(library, case, seed, mine, LINEAR[r])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[r], b, rtol=0, atol=1e-12)
            assert np.abs(a[r] - a[r - 1]).max() > 1e-3


def test_init_is_the_solo_runs_to_the_bit_and_null_is_zero(library: Any) -> None:
    for case in ("usual", "paper", "layer-wise", "layer-wise-paper"):
        network, xp = _network(case), library.xp
        init = functools.partial(model.init, network, xp=xp, device=library.device)
        together = _leaves(library, _whole(library, functools.partial(init, SEEDS))())
        paths = flatten(model.init(network, SEEDS[0]), "params").paths
        for r, seed in enumerate(SEEDS):
            alone = flatten(model.init(network, seed), "params").leaves
            for path, a, b in zip(paths, together, alone, strict=True):
                np.testing.assert_array_equal(a[r], b, strict=True)
                if path.endswith("embedding"):
                    drawn = gaussian(0.1)(seed, path, b.shape)
                    np.testing.assert_array_equal(b[1:], drawn[1:])
                    assert not b[0].any()
                else:
                    np.testing.assert_array_equal(b, gaussian(0.1)(seed, path, b.shape))


@pytest.mark.parametrize("case", ["usual", "layer-wise-paper"])
def test_a_step_compiles_once_whatever_its_attention(library: Any, case: str) -> None:
    network, ids = _network(case), examples()
    place = {"xp": library.xp, "dtype": library.xp.float64, "device": library.device}
    data, params = model.stories(network, *ids, **place), _on(library, _params(case, 3))
    traces: list[int] = []

    def step(params: Any, data: Any, rows: Any, times: Any, linear: Any) -> Any:
        if library.name == "jax":  # Dynamo would guard the list's length
            traces.append(1)
        batch = model.gather(network, data, rows, times)
        found, grads = model.score_and_grads(network, params, batch, linear=linear)
        return found, model.without_null(network, grads)

    model.predict(network, _params(case, 3), _numpy_batch(case, ids))  # backends are looked up
    compiled = library.jit(step)
    losses = []
    for linear in LINEAR:
        for rows in ([0, 1, 3], [3, 0, 1]):
            times = library.array(ids.times[rows], "int32")
            switch = library.array(linear, "bool")
            found, grads = compiled(params, data, library.array(rows, "int32"), times, switch)
            alone = _numpy_batch(case, Examples(*(a[rows] for a in ids)))
            expected, eager = model.score_and_grads(network, _params(case, 3), alone, linear=linear)
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(library.backend.to_numpy(a), b, rtol=1e-12)
            eager = model.without_null(network, eager)
            for g, e in zip(_leaves(library, grads), flatten(eager, "grads").leaves, strict=True):
                np.testing.assert_allclose(g, e, rtol=1e-10, atol=1e-12)
            losses.append(expected.loss)
    assert abs(losses[0] - losses[2]) > 1e-3
    if library.name == "jax":
        assert len(traces) == 1


def test_one_batch_that_all_replicas_see(library: Any) -> None:
    params, data = _on(library, _params("usual", SEEDS)), examples()
    network = _network("usual")
    twice = Examples(*(np.stack([a, a]) for a in data))

    def run(params: Any, *ids: Any) -> Any:
        batch = model.batch(network, *ids, dtype=library.xp.float64)
        return model.loss_and_grads(network, params, batch)

    run = _whole(library, run)
    shared, repeated = (
        run(params, *[library.array(a, "int64") for a in ids]) for ids in (data, twice)
    )
    np.testing.assert_allclose(library.numpy(shared[0]), library.numpy(repeated[0]), rtol=1e-12)
    for a, b in zip(_leaves(library, shared[1]), _leaves(library, repeated[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13, strict=True)


def test_float32_stays_float32_and_nothing_is_written_to(library: Any) -> None:
    params = _on(library, _params("usual", 3), "float32")
    before = [a.copy() for a in _leaves(library, params)]
    network = _network("usual")

    def run(params: Any, *ids: Any) -> Any:
        return model.loss_and_grads(network, params, model.batch(network, *ids))[1]

    ids = [library.array(a, "int32") for a in examples()]
    for g in _leaves(library, _whole(library, run)(params, *ids)):
        assert g.dtype == np.float32
    for a, b in zip(_leaves(library, params), before, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(ids, examples(), strict=True):
        np.testing.assert_array_equal(library.numpy(a), b)


# --- scores -----------------------------------------------------------------


def test_scores_predictions_and_errors(library: Any) -> None:
    network, data = _network("usual"), examples(2)

    def run(params: Any, answers: Any, *ids: Any) -> Any:
        batch = model.batch(network, *ids, dtype=library.xp.float64)
        predicted = model.predict(network, params, batch)
        total, _ = model.loss_and_grads(network, params, batch)
        both, _ = model.score_and_grads(network, params, batch)
        other = batch._replace(answers=answers)
        return (
            model.forward(network, params, batch)[0],
            predicted,
            total,
            model.score(network, params, batch),
            both,
            model.error(network, params, batch),
            model.error(network, params, other),
        )

    run = _whole(library, run)
    theirs = _on(library, _params("usual", SEEDS))
    ids = [library.array(a, "int64") for a in data]
    logits, predicted, total, score, both, error, _ = run(theirs, ids[3], *ids)
    best = library.numpy(logits).argmax(-1)
    np.testing.assert_array_equal(library.numpy(predicted), best)
    wrong = (best != data.answers).sum(-1)
    for found in (score, both):
        np.testing.assert_array_equal(library.numpy(found.wrong), wrong)
        np.testing.assert_allclose(library.numpy(found.loss), library.numpy(total), rtol=1e-14)
    np.testing.assert_allclose(library.numpy(error), wrong / 4)
    # Half of what is predicted is right when the answers are set to it, and half of them changed.
    answers = best.copy()
    answers[:, :2] = (answers[:, :2] + 1) % network.classes
    *_, half = run(theirs, library.array(answers, "int64"), *ids)
    np.testing.assert_allclose(library.numpy(half), 0.5)


def test_with_small_weights_each_class_is_as_likely() -> None:
    network = MemoryNetwork(20, 6, 10)
    rng = np.random.default_rng(0)
    words = rng.integers(1, 20, (32, 10, 6))
    times = np.broadcast_to(np.arange(10, 0, -1), (32, 10))
    batch = model.batch(network, words, times, words[:, 0], rng.integers(1, 20, 32))
    found = model.score(network, model.init(network, 0), batch)
    assert found.loss / 32 == pytest.approx(np.log(30), rel=0.02)  # summed over the batch


# --- bad input --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("words", 1), ("width", 0), ("memory", 0), ("size", 0), ("hops", 0)],
        *[("tying", "untied"), ("kind", "tf-idf"), ("times", "columns")],
    ],
)
def test_settings_are_checked(name: str, value: Any) -> None:
    good = {"words": WORDS, "width": WIDTH, "memory": MEMORY}
    with pytest.raises(ValueError, match=f"`{name}` must be .*got {value!r}"):
        MemoryNetwork(**{**good, name: value})


def test_sizes_must_be_integers() -> None:
    with pytest.raises(TypeError, match=r"`hops` must be an integer, got 2\.5"):
        MemoryNetwork(WORDS, WIDTH, MEMORY, hops=2.5)  # type: ignore[arg-type]


def test_a_network_is_hashable_and_equal_to_another_of_its_settings() -> None:
    assert len({_network("usual"), _network("usual"), _network("layer-wise")}) == 2
