"""A bad input is refused at the door: the argument, the rule, the value, the path, the remedy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from libraries import Library, load
from optimizer_cases import DIALECT_ROWS, is_seeded, make

import gradnoise_core as gn
from gradnoise_core.optimizers import DIALECTS

TRANSFORMATIONS: dict[str, Any] = {
    **{name: make(name) for name in DIALECTS},
    "add_gradient_noise": gn.add_gradient_noise(),
    "add_weight_noise": gn.add_weight_noise(),
    "clip_by_global_norm": gn.clip_by_global_norm(1.0),
    "clip_by_norm": gn.clip_by_norm(1.0),
    "clip_by_value": gn.clip_by_value(1.0),
    "zero_nans": gn.zero_nans(),
    "skip_non_finite": gn.skip_non_finite(gn.sgd(0.1)),
    "noisy": gn.noisy(gn.sgd(0.1), clip=1.0),
}

BAD_NUMBERS = {"negative": -0.1, "NaN": math.nan, "infinite": math.inf, "text": "0.1"}


@pytest.mark.parametrize("value", BAD_NUMBERS.values(), ids=BAD_NUMBERS)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_bad_rate_is_refused(name: str, value: Any) -> None:
    message = rf"`learning_rate` must be a finite number >= 0, got {value!r}\..*schedule"
    with pytest.raises(ValueError, match=message):
        getattr(gn, name)(value)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_bad_rate_of_one_replica_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"`learning_rate` .*got \[0\.1, -0\.2\]"):
        getattr(gn, name)([0.1, -0.2])


@pytest.mark.parametrize("value", [-0.1, math.nan])
@pytest.mark.parametrize("name", ["sgd", "sgld"])
def test_a_bad_rate_that_is_an_array_is_refused(library: Library, name: str, value: Any) -> None:
    """A concrete array of any library is read; only a traced one cannot be."""
    rate = library.array(np.asarray(value))
    with pytest.raises(ValueError, match="`learning_rate` must be a finite number >= 0"):
        getattr(gn, name)(rate)


#: Keywords whose value is a word or a count, or a flag.
_NOT_NUMBERS = {"scheme", "decay_by"}
NUMBERS = [
    (name, keyword)
    for name, rows in DIALECTS.items()
    for keyword, value in rows["paper"].items()
    if not isinstance(value, bool) and keyword not in _NOT_NUMBERS
]


@pytest.mark.parametrize("value", [-0.1, math.nan, "x"], ids=["negative", "NaN", "text"])
@pytest.mark.parametrize(("name", "keyword"), NUMBERS)
def test_a_bad_number_is_refused_by_name(name: str, keyword: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"`{keyword}` must be .*got {value!r}"):
        getattr(gn, name)(0.1, **{keyword: value})


DECAYS = [(n, k) for n, k in NUMBERS if k in ("decay", "b1", "b2", "momentum", "dampening")]


@pytest.mark.parametrize(("name", "keyword"), DECAYS)
def test_a_decay_of_one_is_refused(name: str, keyword: str) -> None:
    with pytest.raises(ValueError, match=rf"`{keyword}` must be in \[0, 1\), got 1\.0"):
        getattr(gn, name)(0.1, **{keyword: 1.0})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adamw", {"decay_by": "rates"}, '`decay_by` must be "rate", "schedule" or "nothing"'),
        ("santa", {"scheme": "leapfrog"}, '`scheme` must be "euler" or "sss", got \'leapfrog\''),
        ("adadelta", {"eps": 0.0}, r"`eps` must be a number > 0, got 0\.0\. With 0 it never"),
        ("psgld", {"eps": 0.0}, r"`eps` must be a number > 0, got 0\.0"),
        ("sgld", {"drift": 0.0}, r"`drift` must be a number > 0, got 0\.0"),
        ("santa", {"data_size": 0}, "`data_size` must be a finite number >= 1, got 0"),
    ],
)
def test_a_bad_choice_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(gn, name)(0.1, **options)


@pytest.mark.parametrize("name", DIALECTS)
def test_an_unknown_dialect_is_refused_with_the_known_ones(name: str) -> None:
    known = ", ".join(DIALECTS[name])
    with pytest.raises(
        ValueError, match=f"`dialect` of {name} must be one of {known}, got 'caffe'"
    ):
        getattr(gn, name)(0.1, dialect="caffe")


@pytest.mark.parametrize("value", [-1.0, -1, math.nan, math.inf, "x"], ids=str)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_schedule_that_returns_no_rate_is_refused(
    library: Library, name: str, value: Any
) -> None:
    """At the step that it does, though not before."""
    optimizer = getattr(gn, name)(lambda t: value if t == 3 else 0.1)
    params = {"w": library.array(np.ones(2))}
    state = optimizer.init(params)
    for _ in range(3):
        _, state = optimizer.update(params, state, params)
    message = rf"`learning_rate\(3\)` must be a finite number >= 0, got {value!r}\. The sch"
    with pytest.raises(ValueError, match=message):
        optimizer.update(params, state, params)


@pytest.mark.parametrize("rate", [[0.1, -0.2], np.asarray([0.1, math.nan])], ids=["list", "array"])
def test_a_schedule_is_checked_replica_by_replica(library: Library, rate: Any) -> None:
    optimizer = gn.sgd(lambda t: rate)
    grads = {"w": library.array(np.ones((2, 3)))}
    with pytest.raises(ValueError, match=r"`learning_rate\(0\)` .*got array\(\[ ?0\.1, "):
        optimizer.update(grads, optimizer.init(grads))


def test_a_schedule_that_returns_a_negative_constant_is_refused_where_it_is_traced() -> None:
    jax = pytest.importorskip("jax")
    optimizer = gn.sgd(lambda t: -1.0)
    grads = {"w": jax.numpy.ones(2)}
    with pytest.raises(ValueError, match=r"`learning_rate\(t\)` must be .*got -1\.0"):
        jax.jit(optimizer.update)(grads, optimizer.init(grads))


@pytest.mark.parametrize("value", [-0.1, math.nan])
@pytest.mark.parametrize("options", [{}, {"decoupled_weight_decay": True}], ids=["L2", "decoupled"])
def test_a_schedule_that_returns_no_decay_is_refused(
    library: Library, options: dict[str, Any], value: float
) -> None:
    optimizer = gn.adam(0.1, weight_decay=lambda t: value, **options)
    params = {"w": library.array(np.ones(2))}
    with pytest.raises(ValueError, match=r"`weight_decay\(0\)` must be a finite number >= 0"):
        optimizer.update(params, optimizer.init(params), params)


def test_decayed_weights_may_shrink_but_not_by_a_nan(library: Library) -> None:
    params = {"w": library.array(np.ones(2))}
    shrink = gn.add_decayed_weights(lambda t: -0.5)
    out, _ = shrink.update(params, shrink.init(params), params)
    np.testing.assert_array_equal(library.numpy(out["w"]), 0.5)
    wrong = gn.add_decayed_weights(lambda t: math.nan)
    with pytest.raises(ValueError, match=r"`weight_decay\(0\)` must be a finite number, got nan"):
        wrong.update(params, wrong.init(params), params)


@pytest.mark.parametrize("value", [-1, 0.0, math.nan], ids=str)
def test_an_inverse_temperature_that_is_not_above_0_is_refused(
    library: Library, value: float
) -> None:
    optimizer = gn.santa(0.1, inverse_temperature=lambda t: value)
    params = {"w": library.array(np.ones(2))}
    with pytest.raises(
        ValueError, match=rf"`inverse_temperature\(0\)` must be a number > 0, got {value}"
    ):
        optimizer.update(params, optimizer.init(params), params)


def test_an_inverse_temperature_that_is_no_function_is_refused() -> None:
    message = r"`inverse_temperature` must be a function of the step.*got 1\.0.*constant"
    with pytest.raises(TypeError, match=message):
        gn.santa(0.1, inverse_temperature=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [2.5, -1, math.inf])
def test_a_burn_in_that_counts_no_steps_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=rf"`burn_in` must be a whole number >= 0, got {value}\."):
        gn.santa(0.1, burn_in=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("several", [[0.5, 0.6], (0.5,), np.asarray([0.5, 0.6])], ids=repr)
@pytest.mark.parametrize(
    ("name", "make_it"),
    {
        "max_norm": lambda x: gn.clip_by_global_norm(x),
        "max_value": lambda x: gn.clip_by_value(x),
        "gamma": lambda x: gn.schedules.annealed(0.1, x),
        "momentum": lambda x: gn.momentum(0.1, momentum=x),
        "b1": lambda x: gn.adam(0.1, b1=x),
        "eps": lambda x: gn.adam(0.1, eps=x),
        "temperature": lambda x: gn.sgld(0.1, temperature=x),
        "drift": lambda x: gn.psgld(0.1, drift=x),
    }.items(),
)
def test_several_numbers_are_refused_where_one_is_wanted(
    name: str, make_it: Any, several: Any
) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Pass one number, the same for all"):
        make_it(several)


REMEDIES: dict[str, tuple[Callable[[], Any], str]] = {
    "fraction": (lambda: gn.adam(0.1, b1=1.0), r"got 1\.0\. 0 remembers nothing"),
    "positive": (lambda: gn.sgld(0.1, drift=0.0), r"got 0\.0\. Pass one above 0"),
    "finite": (lambda: gn.add_decayed_weights(math.inf), r"got inf\. Pass one that is neither"),
    "at least": (lambda: gn.adam(0.1, eps=-1.0), r"got -1\.0\. The smallest.* is 0"),
}


@pytest.mark.parametrize("rule", REMEDIES)
def test_a_refusal_names_the_remedy(rule: str) -> None:
    refused, message = REMEDIES[rule]
    with pytest.raises(ValueError, match=message):
        refused()


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`optimizer` must be one of sgd, .*got 'lbfgs'"):
        gn.optimizers.keywords("lbfgs")


@pytest.mark.parametrize("name", [n for n in DIALECTS if is_seeded(n)])
@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_outside_64_bits_is_refused(name: str, seed: int) -> None:
    with pytest.raises(ValueError, match=rf"`seed` must be in \[0, 2\*\*64\), got {seed}"):
        getattr(gn, name)(0.1, seed=seed)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_decayed_weights_of_no_finite_rate_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"`weight_decay` must be .*got {value}"):
        gn.add_decayed_weights(value)


@pytest.mark.parametrize("kind", TRANSFORMATIONS)
@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", "uint8"])
def test_leaves_that_are_not_real_floats_are_refused(
    library: Library, kind: str, dtype: str
) -> None:
    transformation = TRANSFORMATIONS[kind]
    good = {"layers": [library.array(np.ones(2)), library.array(np.ones(2))]}
    bad = {"layers": [good["layers"][0], library.array(np.ones(2), dtype)]}
    message = rf"must hold real floating-point arrays.*{dtype}.*at 'layers/1'.*Leave it out"
    with pytest.raises(TypeError, match="`params` " + message):
        transformation.init(bad)
    with pytest.raises(TypeError, match="`grads` " + message):
        transformation.update(bad, transformation.init(good), good)


@pytest.mark.parametrize("kind", TRANSFORMATIONS)
@pytest.mark.parametrize("leaf", [1.0, "w", object()], ids=["float", "text", "object"])
def test_leaves_that_are_not_arrays_are_refused(library: Library, kind: str, leaf: Any) -> None:
    transformation = TRANSFORMATIONS[kind]
    good = library.array(np.ones(2))
    with pytest.raises(TypeError, match=r"`params` must hold arrays, got .* at 'b'"):
        transformation.init({"a": good, "b": leaf})
    both = {"a": good, "b": good}
    state = transformation.init(both)
    with pytest.raises(TypeError, match=r"`grads` must hold arrays, got .* at 'b'"):
        transformation.update({"a": good, "b": leaf}, state, both)


def other_library(library: Library) -> Library:
    return load("numpy" if library.name != "numpy" else "array_api_strict")


@pytest.mark.parametrize("kind", TRANSFORMATIONS)
def test_several_libraries_in_one_tree_are_refused(library: Library, kind: str) -> None:
    transformation = TRANSFORMATIONS[kind]
    other = other_library(library)
    tree = {"a": library.array(np.ones(2)), "z": other.array(np.ones(2))}
    with pytest.raises(TypeError, match=r"`params` must lie in one array library.*at 'a'.*at 'z'"):
        transformation.init(tree)
    good = {"a": tree["a"], "z": tree["a"]}
    state = transformation.init(good)
    with pytest.raises(TypeError, match=r"`grads` must lie in one array library.*at 'a'.*at 'z'"):
        transformation.update(tree, state, good)


#: What reads parameters, and what reads accumulators.
READS_PARAMS = {
    "sgd": gn.sgd(0.1, weight_decay=0.1),
    "keras momentum": gn.momentum(0.1, dialect="keras", weight_decay=0.1),
    "adamw": gn.adamw(0.1),
    "add_decayed_weights": gn.add_decayed_weights(0.1),
}


@pytest.mark.parametrize("kind", READS_PARAMS)
def test_parameters_of_another_library_are_refused(library: Library, kind: str) -> None:
    optimizer = READS_PARAMS[kind]
    grads = {"w": library.array(np.ones(2))}
    params = {"w": other_library(library).array(np.ones(2))}
    with pytest.raises(TypeError, match=r"`params` .* library.*at 'w'"):
        optimizer.update(grads, optimizer.init(grads), params)


def test_a_state_of_another_library_is_refused(library: Library) -> None:
    optimizer = gn.adam(0.1)
    state = optimizer.init({"w": other_library(library).array(np.ones(2))})
    with pytest.raises(TypeError, match=r"`state\.first_moment` .* library.*at 'w'"):
        optimizer.update({"w": library.array(np.ones(2))}, state)


def test_updates_of_another_library_are_refused(library: Library) -> None:
    updates = {"w": other_library(library).array(np.ones(2))}
    with pytest.raises(TypeError, match=r"`updates` .* library.*at 'w'"):
        gn.apply_updates({"w": library.array(np.ones(2))}, updates)


def test_several_devices_in_one_tree_are_refused() -> None:
    torch = pytest.importorskip("torch")
    tree = {"a": torch.ones(2), "z": torch.ones(2, device="meta")}
    with pytest.raises(
        TypeError, match=r"`params` must lie.*on one device.*cpu at 'a'.*meta at 'z'"
    ):
        gn.adam(0.1).init(tree)


def test_several_devices_of_jax_are_refused(library: Library) -> None:
    if not library.name.startswith("jax"):
        pytest.skip("about JAX")
    if len(library.backend.devices()) < 2:
        pytest.skip("JAX has one device here")
    one, two = list(library.backend.devices())[:2]
    a, b = (library.backend.from_host(np.ones(2), device=d) for d in (one, two))
    with pytest.raises(TypeError, match="`params` must lie"):
        gn.adam(0.1).init([a, b])


STATEFUL = [(n, d) for n, d in DIALECT_ROWS if n not in ("sgd", "sgld") and d == "paper"]


@pytest.mark.parametrize(("name", "dialect"), STATEFUL)
def test_a_state_of_another_structure_is_refused(library: Library, name: str, dialect: str) -> None:
    optimizer = make(name, dialect)
    one = library.array(np.ones(2))
    state = optimizer.init({"a": one})
    both = {"a": one, "b": one}
    with pytest.raises(ValueError, match=r"structure of.*`state\.\w+`.*'b'"):
        optimizer.update(both, state, both)
    wide = {"a": library.array(np.ones(3))}
    with pytest.raises(ValueError, match=r"shapes of.*`state\.\w+`.*at 'a'"):
        optimizer.update(wide, state, wide)


@pytest.mark.parametrize("kind", READS_PARAMS)
def test_parameters_that_are_needed_must_be_given(library: Library, kind: str) -> None:
    optimizer = READS_PARAMS[kind]
    grads = {"w": library.array(np.ones(2))}
    state = optimizer.init(grads)
    with pytest.raises(ValueError, match="`params` must be given"):
        optimizer.update(grads, state)
    with pytest.raises(ValueError, match=r"`params` must have the structure of `grads`"):
        optimizer.update(grads, state, [grads["w"]])
    with pytest.raises(ValueError, match=r"`params` must have the shapes of `grads`.*at 'w'"):
        optimizer.update(grads, state, {"w": library.array(np.ones(3))})


@pytest.mark.parametrize("kind", ["adam", "sgd", "momentum"])
def test_the_state_of_another_optimizer_is_refused(library: Library, kind: str) -> None:
    grads = {"w": library.array(np.ones(2))}
    wrong = gn.adagrad(0.1).init(grads) if kind != "momentum" else gn.adam(0.1).init(grads)
    optimizer = getattr(gn, kind)(0.1)
    with pytest.raises((ValueError, TypeError), match="`state` must"):
        optimizer.update(grads, wrong)


@pytest.mark.parametrize("name", DIALECTS)
def test_as_many_rates_as_replicas_are_wanted(library: Library, name: str) -> None:
    """An axis of 1 or none would broadcast, and the updates would have another shape."""
    seeds: dict[str, Any] = {"seed": [1, 2, 3]} if is_seeded(name) else {}
    optimizer = make(name, rate=[0.1, 0.2, 0.3], **seeds)
    good = {"w": library.array(np.ones((3, 2)))}
    state = optimizer.init(good)
    for shape in ((1, 2), (), (2, 2)):
        bad = {"w": library.array(np.ones(shape))}
        with pytest.raises(ValueError, match=r"`grads` must have a leading replica axis of size 3"):
            optimizer.update(bad, state, bad)


def test_two_leaves_of_one_path_are_refused(library: Library) -> None:
    one = library.array(np.ones(2))
    with pytest.raises(ValueError, match="`grads` has two leaves with the path 'a/b'"):
        gn.add_gradient_noise().update({"a": {"b": one}, "a/b": one}, gn.sgd(0.1).init({}))


def test_adam_without_eps_leaves_an_element_that_has_no_gradient(library: Library) -> None:
    optimizer = gn.adam(0.1, eps=0.0)
    grads = {"w": library.array([0.0, 2.0])}
    updates, _ = optimizer.update(grads, optimizer.init(grads))
    np.testing.assert_allclose(library.numpy(updates["w"]), [0.0, -0.1], rtol=1e-6)
