"""Every check of the Keras adapter on one of Keras's backends, which it chooses at import.

Run as a script with a folder, in which the backends leave models for each other, and the page of
the documentation to run; prints what was found, by check: a distance, a fact or a message.
"""

import functools
import json
import runpy
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from adapter_checks import checks_of, found_by, from_step_1, refused
from training_run import (
    BATCH,
    CLIP,
    ETA,
    HALF,
    RATE,
    SEED,
    SIZES,
    UPDATES,
    distance,
    first_weights,
    minibatches,
    schedule,
    trained,
)

warnings.simplefilter("error")
# Keras 3.15 reads its own variables in a way that NumPy 2 asks libraries to leave.
warnings.filterwarnings(
    "ignore", "__array__ implementation doesn't accept a copy", DeprecationWarning, "keras"
)

import keras

import gradnoise_core as gn
from gradnoise_backends.keras_optimizer import NoisyOptimizer, add_gradient_noise
from gradnoise_core.noise import NoiseState

PATHS = ["digits/hidden/kernel", "digits/hidden/bias", "digits/out/kernel", "digits/out/bias"]
BACKEND = keras.backend.backend()


@keras.saving.register_keras_serializable("tests")  # type: ignore[untyped-decorator]
def registered_schedule(t: Any) -> Any:
    return schedule(t)


def network() -> Any:
    """Return the network of the run with its first weights."""
    layers = [
        keras.layers.Dense(SIZES[1], activation="relu", name="hidden"),
        keras.layers.Dense(SIZES[2], name="out"),
    ]
    model = keras.Sequential([keras.Input((SIZES[0],)), *layers], name="digits")
    model.set_weights(first_weights())
    return model


def fit(
    optimizer: Any, updates: int = UPDATES, first: int = 0, micro: int = 1, model: Any = None
) -> Any:
    """Return a model after updates from update `first` on."""
    if model is None:
        model = network()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, jit_compile=BACKEND == "jax")
    x, y = minibatches(updates * micro, first * micro)
    model.fit(x, y, batch_size=BATCH, shuffle=False, epochs=1, verbose=0)
    return model


def weights(model: Any) -> list[Any]:
    return [np.asarray(w) for w in model.get_weights()]


def values(variables: Any) -> list[Any]:
    return [keras.ops.convert_to_numpy(v.value) for v in variables]


def adam(**options: Any) -> Any:
    return keras.optimizers.Adam(RATE, **options)


def clipped(**options: Any) -> Any:
    return adam(global_clipnorm=CLIP, **options)


def noisy(optimizer: Any, **options: Any) -> Any:
    return add_gradient_noise(optimizer, ETA, seed=SEED, **options)


OURS = gn.adam(RATE, dialect="keras")
NOISE = gn.add_gradient_noise(ETA, seed=SEED)
CLIPPING = gn.clip_by_global_norm(CLIP)
reference = functools.cache(lambda: trained(gn.chain(CLIPPING, NOISE, OURS), PATHS))
noisy_model = functools.cache(lambda: fit(noisy(clipped())))


def to_reference(model: Any, *links: Any, micro: int = 1) -> float:
    wanted = trained(gn.chain(*links), PATHS, micro=micro) if links else reference()
    return distance(weights(model), wanted[-1])


# --- what is trained is NumPy's run ------------------------------------------


def run_global_clipnorm() -> float:
    return to_reference(noisy_model())


def run_clipnorm() -> float:
    links = gn.clip_by_norm(CLIP / 4), NOISE, OURS
    return to_reference(fit(noisy(adam(clipnorm=CLIP / 4))), *links)


def run_clipvalue() -> float:
    links = gn.clip_by_value(CLIP / 50), NOISE, OURS
    return to_reference(fit(noisy(adam(clipvalue=CLIP / 50))), *links)


def run_sgd_with_decay() -> float:
    optimizer = keras.optimizers.SGD(RATE, momentum=0.9, weight_decay=0.1)
    ours = gn.momentum(RATE, dialect="keras", weight_decay=0.1)
    return to_reference(fit(noisy(optimizer)), NOISE, ours)


def run_weight_placement() -> float:
    noise = gn.add_weight_noise(1e-4, seed=SEED)
    optimizer = add_gradient_noise(clipped(), 1e-4, seed=SEED, placement="weight")
    return to_reference(fit(optimizer), CLIPPING, OURS, noise)


def run_schedule() -> float:
    links = CLIPPING, gn.add_gradient_noise(schedule=schedule, seed=SEED), OURS
    return to_reference(fit(noisy(clipped(), schedule=schedule)), *links)


def run_weight_schedule() -> float:
    optimizer = noisy(adam(), schedule=lambda t: schedule(t) * 1e-4, placement="weight")
    noise = gn.add_weight_noise(schedule=lambda t: schedule(t) * 1e-4, seed=SEED)
    return to_reference(fit(optimizer), OURS, noise)


def run_accumulation() -> float:
    model = fit(noisy(clipped(gradient_accumulation_steps=2)), micro=2)
    return to_reference(model, CLIPPING, NOISE, OURS, micro=2)


def run_moving_average() -> float:
    optimizer = noisy(clipped(use_ema=True, ema_momentum=0.5))
    model = fit(optimizer)  # which leaves the averages in the weights
    average = reference()[0]
    for now in reference()[1:]:
        average = [0.5 * a + 0.5 * w for a, w in zip(average, now, strict=True)]
    return distance(weights(model), average)


def run_loss_scale() -> float:
    return to_reference(fit(keras.optimizers.LossScaleOptimizer(noisy(clipped()), 2.0**10)))


def run_loss_scale_outside() -> float:
    return to_reference(fit(noisy(keras.optimizers.LossScaleOptimizer(clipped(), 2.0**10))))


def run_rate_schedule() -> float:
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([HALF - 1], [RATE, RATE / 10])
    ours = gn.adam(gn.schedules.piecewise_constant([RATE, RATE / 10], [HALF]), dialect="keras")
    model = fit(noisy(keras.optimizers.Adam(rate)))
    return to_reference(model, NOISE, ours)


def run_several_optimizers() -> float:
    kinds = keras.optimizers
    if not hasattr(kinds, "MultiOptimizer"):
        return 0.0  # before Keras 3.15
    parts = kinds.OptimizerMap(noisy(adam()), {".*/out/.*": noisy(adam())})
    return to_reference(fit(kinds.MultiOptimizer(parts)), NOISE, OURS)


def run_sharded() -> float:
    """Kernels cut in two, over devices that XLA makes of one CPU: each draws its share."""
    distribution = keras.distribution
    mesh = distribution.DeviceMesh((1, 2), ["batch", "model"])
    layout = distribution.LayoutMap(mesh)
    layout[".*kernel"] = (None, "model")
    parallel = distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    distribution.set_distribution(parallel)
    try:
        model = fit(noisy(clipped()))
    finally:
        distribution.set_distribution(None)
    assert len(model.trainable_variables[0].value.sharding.device_set) == 2
    return to_reference(model)


def control_plain() -> float:
    return to_reference(fit(clipped()))


def control_noise_before_clipping() -> float:
    return to_reference(noisy_model(), NOISE, CLIPPING, OURS)


def control_t_from_1() -> float:
    return to_reference(noisy_model(), CLIPPING, from_step_1(NOISE), OURS)


# --- saving, loading, going on -----------------------------------------------


def run_resumed(folder: Path) -> float:
    file = folder / f"{BACKEND}.keras"
    fit(noisy(clipped()), HALF).save(file)
    model = keras.saving.load_model(file)
    assert int(model.optimizer.iterations) == HALF
    assert isinstance(model.optimizer, NoisyOptimizer)
    model = fit(None, UPDATES - HALF, HALF, model=model)
    unbroken = zip(weights(model), weights(noisy_model()), strict=True)
    assert all(np.array_equal(a, b) for a, b in unbroken)
    return to_reference(model)


def run_resumed_twice(folder: Path) -> float:
    file = folder / f"{BACKEND}-twice.keras"
    fit(noisy(clipped()), HALF // 2).save(file)
    for first, updates in ((HALF // 2, HALF // 2), (HALF, UPDATES - HALF)):
        model = fit(None, updates, first, model=keras.saving.load_model(file))
        model.save(file)
    return to_reference(model)


def run_resumed_from_another_backend(folder: Path) -> float:
    """JAX runs first, and leaves its model."""
    model = keras.saving.load_model(folder / "jax.keras")
    model.jit_compile = False  # the model says what JAX was told
    return to_reference(fit(None, UPDATES - HALF, HALF, model=model))


def run_resumed_from_variables(folder: Path) -> float:
    half = fit(noisy(clipped()), HALF)
    kept, state = half.get_weights(), values(half.optimizer.variables)
    model = fit(noisy(clipped()), 1)
    model.set_weights(kept)
    model.optimizer.set_weights(state)
    return to_reference(fit(None, UPDATES - HALF, HALF, model=model))


def run_resumed_registered_schedule(folder: Path) -> float:
    file = folder / f"{BACKEND}-schedule.keras"
    fit(noisy(clipped(), schedule=registered_schedule), HALF).save(file)
    model = keras.saving.load_model(file)
    links = CLIPPING, gn.add_gradient_noise(schedule=schedule, seed=SEED), OURS
    return to_reference(fit(None, UPDATES - HALF, HALF, model=model), *links)


def run_resumed_loss_scale(folder: Path) -> float:
    file = folder / f"{BACKEND}-scaled.keras"
    fit(keras.optimizers.LossScaleOptimizer(noisy(clipped()), 2.0**10), HALF).save(file)
    return to_reference(fit(None, UPDATES - HALF, HALF, model=keras.saving.load_model(file)))


def run_from_a_plain_checkpoint(folder: Path) -> float:
    """A checkpoint of the optimizer before it was noisy: noise sets in at the t that it is at."""
    half = fit(clipped(), HALF)
    state = values(half.optimizer.variables)
    model = fit(noisy(clipped()), 1)
    model.set_weights(half.get_weights())
    model.optimizer.set_weights(state)
    late = gn.GradientTransformation(NOISE.init, _from_half)
    return to_reference(fit(None, UPDATES - HALF, HALF, model=model), CLIPPING, late, OURS)


def _from_half(grads: Any, state: Any, params: Any) -> Any:
    noisy_grads, after = NOISE.update(grads, state, params)
    return (grads if state.count < HALF else noisy_grads), after


def fact_paths_are_kept(folder: Path) -> Any:
    model = keras.saving.load_model(folder / f"{BACKEND}.keras")
    return {"now": [v.path for v in model.trainable_variables], **model.optimizer.get_config()}


def fact_config_comes_back(folder: Path) -> bool:
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    optimizer = noisy(keras.optimizers.AdamW(rate, clipnorm=1.0), schedule=registered_schedule)
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(json.loads(json.dumps(config)))
    other = type(optimizer).from_config(optimizer.get_config())
    return all(
        keras.optimizers.serialize(x) == config and isinstance(x, keras.optimizers.AdamW)
        for x in (again, other)
    )


# --- the stream's own bits ---------------------------------------------------


def fact_bits_are_numpys(folder: Path) -> bool:
    model, noise = network(), gn.add_gradient_noise(seed=SEED)
    zeros = {p: np.zeros(w.shape) for p, w in zip(PATHS, weights(model), strict=True)}
    optimizer, state = add_gradient_noise(keras.optimizers.SGD(1.0), seed=SEED), NoiseState(0)
    for _ in range(3):
        model.set_weights(list(zeros.values()))
        optimizer.apply([keras.ops.zeros(z.shape) for z in zeros.values()], model.trainable_weights)
        wanted, state = noise.update(zeros, state)
        for path, w in zip(PATHS, weights(model), strict=True):
            if not (w.dtype == np.float64 and np.array_equal(-wanted[path], w)):
                return False
    return int(optimizer.iterations) == 3


def fact_skipped_step_draws_nothing(folder: Path) -> bool:
    model = network()
    optimizer = keras.optimizers.LossScaleOptimizer(noisy(adam()), 2.0)
    before = weights(model)
    infinite = [keras.ops.ones(w.shape) * float("inf") for w in before]
    if BACKEND == "jax":  # where Keras's own `apply` of it has side effects under `cond`
        optimizer.build(model.trainable_weights)
        states = [[v.value for v in x] for x in (optimizer.variables, model.trainable_weights)]
        after, now = optimizer.stateless_apply(states[0], infinite, states[1])
        count = next(n for v, n in zip(optimizer.variables, now, strict=True) if _counts(v))
    else:
        optimizer.apply(infinite, model.trainable_weights)
        after, count = weights(model), optimizer.iterations
    same = all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    return same and int(count) == 0


def _counts(variable: Any) -> bool:
    return variable.path.startswith("adam") and variable.path.endswith("/iteration")


def fact_frozen_layers_have_no_noise(folder: Path) -> bool:
    model = network()
    model.get_layer("hidden").trainable = False
    before = weights(model)
    model = fit(noisy(adam()), 2, model=_compiled(model))
    after = weights(model)
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    return same == [True, True, False, False]


def _compiled(model: Any) -> Any:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(noisy(adam()), loss, jit_compile=BACKEND == "jax")
    return model


def fact_mixed_precision(folder: Path) -> bool:
    """Keras wraps the optimizer of a float16 model by itself."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, name="out")])
    finally:
        keras.config.set_dtype_policy("float64")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(noisy(adam()), loss, jit_compile=BACKEND == "jax")
    before = weights(model)
    x, y = minibatches(3)
    model.fit(x.astype("float32"), y, batch_size=BATCH, verbose=0)
    wrapped = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    moved = np.abs(weights(model)[1] - before[1]).max() > RATE
    return bool(wrapped and moved and int(model.optimizer.inner_optimizer.iterations) == 3)


# --- what is refused ---------------------------------------------------------


def refused_name_of_an_optimizer() -> str:
    return refused(TypeError, lambda: add_gradient_noise("adam"))


def refused_several() -> str:
    several = getattr(keras.optimizers, "MultiOptimizer", None)
    if several is None:
        return "`optimizer` must be one keras.optimizers.Optimizer"
    return refused(
        TypeError, lambda: add_gradient_noise(several(keras.optimizers.OptimizerMap(adam())))
    )


def refused_twice() -> str:
    return refused(ValueError, lambda: noisy(noisy(adam())))


def refused_twice_within() -> str:
    scaled = keras.optimizers.LossScaleOptimizer(noisy(adam()))
    return refused(ValueError, lambda: noisy(scaled))


def refused_placement() -> str:
    return refused(ValueError, lambda: noisy(adam(), placement="gradients"))


def refused_eta() -> str:
    return refused(ValueError, lambda: add_gradient_noise(adam(), -1.0))


def refused_schedule_to_save() -> str:
    optimizer = noisy(adam(), schedule=gn.schedules.annealed(0.1))
    return refused(ValueError, optimizer.get_config)


def refused_names_that_are_alike() -> str:
    alike = [keras.Variable(np.zeros(2), name="w"), keras.Variable(np.zeros(2), name="w")]
    zeros = [keras.ops.zeros(2), keras.ops.zeros(2)]
    return refused(ValueError, lambda: noisy(adam()).apply(zeros, alike))


def refused_other_model() -> str:
    config = fit(noisy(adam()), 1).optimizer.get_config()
    optimizer = NoisyOptimizer.from_config(config)
    one = [keras.Variable(np.zeros(2), name="w")]
    return refused(ValueError, lambda: optimizer.apply([keras.ops.zeros(2)], one))


def refused_backend() -> str:
    real, keras.backend.backend = keras.backend.backend, lambda: "tensorflow"
    try:
        return refused(NotImplementedError, lambda: noisy(adam()))
    finally:
        keras.backend.backend = real


def main(folder: Path, page: Path) -> None:
    keras.config.set_floatx("float64")
    checks = checks_of(globals())
    if BACKEND == "jax":
        checks = [f for f in checks if f not in IN_COMMON]
    else:
        checks.remove(run_sharded)
    if BACKEND == "numpy":  # where Keras has no fit
        checks = [f for f in checks if f.__name__.startswith("refused_")]
        checks.remove(refused_other_model)
        checks += [fact_config_comes_back, fact_skipped_step_draws_nothing]
    found = {"backend": BACKEND, **found_by(checks, folder)}
    if BACKEND != "numpy":
        keras.config.set_floatx("float32")
        found["page"] = runpy.run_path(str(page))["accuracy"]
    print(json.dumps(found, default=str))


#: What is Keras's own, the same on every backend, and takes JAX a second each to compile.
IN_COMMON = (
    run_clipnorm,
    run_clipvalue,
    run_sgd_with_decay,
    run_weight_schedule,
    run_rate_schedule,
    run_loss_scale_outside,
    run_resumed_twice,
    run_resumed_from_another_backend,
    run_resumed_from_variables,
    run_resumed_loss_scale,
    fact_frozen_layers_have_no_noise,
)

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
