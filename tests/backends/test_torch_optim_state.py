"""The step count: in the optimizer's state, out of it, and in every tool that saves one."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from torch_optim_cases import ETA, SEED, expected, gradients, held, naive, network, same

torch = pytest.importorskip("torch")

files: Any = pytest.importorskip("torch.distributed.checkpoint")
dcp: Any = pytest.importorskip("torch.distributed.checkpoint.state_dict")

from gradnoise_backends.torch_optim import add_gradient_noise

KEY = "gradient-noise-count"


def adam(model: Any) -> Any:
    return torch.optim.Adam(model.parameters())


def attach(optimizer: Any, model: Any, **kind: Any) -> Any:
    return add_gradient_noise(optimizer, model, ETA, seed=SEED, **kind)


def advance(optimizer: Any, model: Any, first: int, last: int) -> None:
    for t in range(first, last):
        gradients(model, t)
        optimizer.step()


def saved(value: Any) -> Any:
    """Return what comes out of a file, as it is read by default: numbers and tensors only."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def equal(model: Any, other: Any) -> bool:
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("placement", ["gradient", "weight"])
@pytest.mark.parametrize("attached_first", [True, False])
def test_a_resumed_run_is_the_run_that_never_stopped(attached_first: bool, placement: str) -> None:
    whole, half, rest = network(), network(), network()
    optimizer = adam(whole)
    attach(optimizer, whole, placement=placement)
    advance(optimizer, whole, 0, 6)

    optimizer = adam(half)
    attach(optimizer, half, placement=placement)
    advance(optimizer, half, 0, 3)
    checkpoint = saved({"model": half.state_dict(), "optimizer": optimizer.state_dict()})

    optimizer = adam(rest)
    rest.load_state_dict(checkpoint["model"])
    if attached_first:
        noise = attach(optimizer, rest, placement=placement)
    optimizer.load_state_dict(checkpoint["optimizer"])
    if not attached_first:
        noise = attach(optimizer, rest, placement=placement)
    assert noise.count == 3
    advance(optimizer, rest, 3, 6)
    assert noise.count == 6
    assert equal(rest, whole)


def test_the_count_is_a_number_in_every_group() -> None:
    model = network()
    optimizer = torch.optim.SGD([{"params": model[0].parameters()}], lr=0.1)
    noise = attach(optimizer, model)
    optimizer.add_param_group({"params": model[2].parameters()})
    advance(optimizer, model, 0, 2)
    state = optimizer.state_dict()
    assert [group[KEY] for group in state["param_groups"]] == [2, 2]
    assert all(type(group[KEY]) is int for group in state["param_groups"])
    advance(optimizer, model, 2, 3)
    assert state["param_groups"][0][KEY] == 2  # what was saved is not changed by a step
    optimizer.load_state_dict(state)
    assert noise.count == 2
    assert type(state["param_groups"][0][KEY]) is int  # nor by loading it


def test_a_state_saved_without_noise_is_loaded_with_a_warning() -> None:
    model = network()
    optimizer = adam(model)
    advance(optimizer, model, 0, 2)
    old = optimizer.state_dict()
    noise = attach(optimizer, model)
    noise.count = 7
    with pytest.warns(UserWarning, match=r"The noise starts at t = 0; set `.count`") as warned:
        optimizer.load_state_dict(old)
    assert len(warned) == 1
    assert noise.count == 0
    noise.count = 2
    gradients(model)
    wanted = expected(held(model), 2)
    optimizer.step()
    assert same(held(model), wanted)
    assert optimizer.state_dict()["param_groups"][0][KEY] == 3


@pytest.mark.parametrize("wrong", [-1, 1.5, None])
def test_a_count_that_is_none_is_refused(wrong: Any) -> None:
    model = network()
    noise = attach(adam(model), model)
    with pytest.raises((TypeError, ValueError)):
        noise.count = wrong
    assert noise.count == 0


def test_removing_leaves_no_trace() -> None:
    model = network()
    optimizer = adam(model)
    advance(optimizer, model, 0, 1)
    before = copy.deepcopy(optimizer.state_dict())
    kept = {k: copy.copy(v) for k, v in vars(optimizer).items()}
    noise = attach(optimizer, model)
    assert vars(optimizer).keys() == kept.keys()
    assert optimizer.state_dict()["param_groups"] != before["param_groups"]
    noise.remove()
    hooks = [name for name in kept if name.endswith("_hooks")]
    assert len(hooks) == 6
    assert all(not getattr(optimizer, name) for name in hooks)
    assert optimizer.state_dict()["param_groups"] == before["param_groups"]
    assert "step" not in vars(optimizer)
    gradients(model, 5)
    raw = held(model)
    optimizer.step()
    assert all(torch.equal(g, raw[k]) for k, g in held(model).items())


def test_a_noisy_state_is_loaded_by_an_optimizer_without_noise() -> None:
    model, other = network(), network()
    optimizer = adam(model)
    attach(optimizer, model)
    advance(optimizer, model, 0, 2)
    plain = adam(other)
    plain.load_state_dict(saved(optimizer.state_dict()))
    gradients(other)
    raw = held(other)
    plain.step()
    assert all(torch.equal(g, raw[k]) for k, g in held(other).items())


def test_two_noises_count_by_themselves() -> None:
    model = network()
    optimizer = adam(model)
    one = attach(optimizer, model)
    advance(optimizer, model, 0, 2)
    two = attach(optimizer, model, placement="weight")
    advance(optimizer, model, 2, 3)
    state = optimizer.state_dict()
    one.count = two.count = 9
    optimizer.load_state_dict(state)
    assert (one.count, two.count) == (3, 1)
    two.remove()
    assert set(optimizer.state_dict()["param_groups"][0]) - set(adam(model).param_groups[0]) == {
        KEY
    }


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_have_no_hooks_as_all_of_torchs_but_go_on_counting_when_noisy(copied: Any) -> None:
    model = network()
    optimizer = adam(model)
    attach(optimizer, model)
    advance(optimizer, model, 0, 2)
    another, other = copied([optimizer, model])
    noise = attach(another, other)
    assert noise.count == 2
    advance(another, other, 2, 3)
    advance(optimizer, model, 2, 3)
    assert equal(other, model)


def test_beside_a_scheduler_of_rates() -> None:
    model, other = network(), network()
    optimizer, plain = adam(model), adam(other)
    for o in (optimizer, plain):
        torch.optim.lr_scheduler.LambdaLR(o, lambda t: 1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    noise = attach(optimizer, model)
    for t in range(2):
        advance(optimizer, model, t, t + 1)
        scheduler.step()
    assert noise.count == 2
    assert optimizer.param_groups[0]["lr"] == 1e-3 / 4


# --- torch.distributed.checkpoint --------------------------------------------

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam": adam,
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.125),
    "tensor rate": lambda model: torch.optim.Adam(model.parameters(), lr=torch.tensor(1e-3)),
}
OPTIONS: dict[str, dict[str, bool]] = {
    "plain": {},
    "flat": {"flatten_optimizer_state_dict": True},
    "full": {"full_state_dict": True, "cpu_offload": True},
}


# Without any tensor in the state torch 2.13 cannot load a full one.
CASES = [(name, kind) for name in OPTIMIZERS for kind in OPTIONS if (name, kind) != ("sgd", "full")]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_distributed_checkpoint_holds_the_count(name: str, options: str) -> None:
    """And making one is no step: torch makes it, to have a state, before it saves or loads."""
    asked = dcp.StateDictOptions(**OPTIONS[options])
    whole, half, rest = network(), network(), network()
    for m in (whole, half):
        optimizer = OPTIMIZERS[name](m)
        noise = attach(optimizer, m)
        if m is half:
            dcp.get_optimizer_state_dict(m, optimizer, options=asked)
            assert noise.count == 0
            moments = [s.get("exp_avg") for s in optimizer.state.values()]
            assert not any(x.any() for x in moments if x is not None)
            optimizer = OPTIMIZERS[name](m)  # for torch's own state has counted a step
            noise = attach(optimizer, m)
        advance(optimizer, m, 0, 6 if m is whole else 3)
    half.zero_grad()
    state = saved(dcp.get_optimizer_state_dict(half, optimizer, options=asked))
    assert noise.count == 3
    rest.load_state_dict(half.state_dict())
    optimizer = OPTIMIZERS[name](rest)
    noise = attach(optimizer, rest)
    dcp.set_optimizer_state_dict(rest, optimizer, state, options=asked)
    assert noise.count == 3
    advance(optimizer, rest, 3, 6)
    assert equal(rest, whole)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
def test_noise_is_added_after_loading_a_distributed_checkpoint_without_it(tmp_path: Any) -> None:
    model = network()
    optimizer = adam(model)
    advance(optimizer, model, 0, 2)
    folder = {"checkpoint_id": str(tmp_path / "old"), "no_dist": True}
    files.save({"optimizer": dcp.get_optimizer_state_dict(model, optimizer)}, **folder)

    model = network()
    optimizer = adam(model)
    noise = attach(optimizer, model)
    with pytest.raises(files.CheckpointException, match=f"Missing key in .*{KEY}"):
        files.load({"optimizer": dcp.get_optimizer_state_dict(model, optimizer)}, **folder)
    noise.remove()
    held_ = {"optimizer": dcp.get_optimizer_state_dict(model, optimizer)}
    files.load(held_, **folder)
    dcp.set_optimizer_state_dict(model, optimizer, held_["optimizer"])
    assert attach(optimizer, model).count == 0
    assert all(float(s["step"]) == 2 for s in optimizer.state.values())


def test_the_hook_that_one_would_write_takes_making_a_state_for_a_step() -> None:
    model = network()
    optimizer = adam(model)
    naive(optimizer, model)
    dcp.get_optimizer_state_dict(model, optimizer)
    assert all(s["exp_avg"].any() for s in optimizer.state.values())


def test_a_step_at_rate_zero_is_a_step() -> None:
    """As at the start of a warm-up."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    noise = attach(optimizer, model)
    gradients(model)
    wanted = expected(held(model), 0)
    optimizer.step(closure=None)
    assert same(held(model), wanted)
    assert noise.count == 1
