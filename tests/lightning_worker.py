"""Every check of the Lightning callback, in one process, for Lightning takes long to import.

Run as a script with a folder and the page of the documentation to run; prints what was found, by
check: a distance, a fact or a message.
"""

import contextlib
import functools
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from adapter_checks import from_step_1, hooked, print_all, refused
from torch_training import Network, to_reference, weights
from training_run import (
    BATCH,
    CLIP,
    ETA,
    HALF,
    RATE,
    SEED,
    UPDATES,
    clip_as_torch,
    minibatches,
    schedule,
)

warnings.simplefilter("error")
for message, category in (
    # Lightning 2.6 uses a class of torch's trees that torch 2.13 deprecates.
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning),
    # It advises worker processes, which so small a run would only wait for.
    (r"The 'train_dataloader' does not have many workers", UserWarning),
):
    warnings.filterwarnings("ignore", message, category, r"(pytorch_)?lightning\.")

import lightning.pytorch as pl
import pytorch_lightning
from lightning.pytorch.plugins import MixedPrecision

import gradnoise_core as gn
from gradnoise_backends import lightning_callback
from gradnoise_backends.lightning_callback import GradientNoise
from gradnoise_core.noise import NoiseState

for name in ("lightning.pytorch", "pytorch_lightning"):
    logging.getLogger(name).setLevel(logging.ERROR)

CLIPPING = clip_as_torch(CLIP)
OURS = gn.adam(RATE, dialect="torch")
PREFIX = "network."


def noise_link(**options: Any) -> Any:
    return gn.add_gradient_noise(**{"eta": ETA, "seed": SEED, **options})


NOISE = noise_link()


def module(base: Any, *, several: bool = False, manual: bool = False) -> Any:
    """Return a LightningModule of either package around the network of the run."""

    class Digits(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = Network()
            self.automatic_optimization = not manual

        def loss(self, batch: Any) -> Any:
            x, y = batch
            return torch.nn.functional.cross_entropy(self.network(x), y)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.loss(batch)
            if not manual:
                return loss
            optimizers = self.optimizers()
            optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
            for optimizer in optimizers:
                optimizer.zero_grad()
            self.manual_backward(loss)
            for optimizer in optimizers:
                optimizer.step()
            return None

        def train_dataloader(self) -> Any:
            """The minibatches of half the run: two epochs are all of it."""
            count = HALF * self.micro
            x, y = map(torch.from_numpy, minibatches(count, self.trainer.current_epoch * count))
            data = torch.utils.data.TensorDataset(x, y)
            return torch.utils.data.DataLoader(data, batch_size=BATCH)

        def configure_optimizers(self) -> Any:
            if not several:
                return torch.optim.Adam(self.parameters(), lr=RATE)
            parts = (self.network.hidden, self.network.out)
            return [torch.optim.Adam(part.parameters(), lr=RATE) for part in parts]

    return Digits()


def fit(
    *callbacks: Any,
    updates: int = UPDATES,
    micro: int = 1,
    checkpoint: Any = None,
    package: Any = pl,
    several: bool = False,
    manual: bool = False,
    **options: Any,
) -> Any:
    """Return the trainer after updates."""
    clip = {} if manual else {"gradient_clip_val": CLIP}
    trainer = package.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=updates // HALF,
        reload_dataloaders_every_n_epochs=1,
        accumulate_grad_batches=micro,
        callbacks=list(callbacks),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"enable_checkpointing": False, **clip, **options},
    )
    what = module(package.LightningModule, several=several, manual=manual)
    what.micro = micro
    trainer.fit(what, ckpt_path=checkpoint)
    return trainer


def noisy(**options: Any) -> Any:
    return GradientNoise(**{"eta": ETA, "seed": SEED, **options})


def compared(trainer: Any, *links: Any, **options: Any) -> float:
    found = weights(trainer.lightning_module, PREFIX)
    return to_reference(found, *links, prefix=PREFIX, **options)


noisy_trainer = functools.cache(lambda: fit(noisy()))


# --- what is trained is NumPy's run ------------------------------------------


def run_clipped() -> float:
    return compared(noisy_trainer(), CLIPPING, NOISE, OURS)


def run_clipped_by_value() -> float:
    trainer = fit(noisy(), gradient_clip_val=CLIP / 50, gradient_clip_algorithm="value")
    return compared(trainer, gn.clip_by_value(CLIP / 50), NOISE, OURS)


def run_weight_placement() -> float:
    noise = gn.add_weight_noise(1e-4, seed=SEED)
    trainer = fit(noisy(eta=1e-4, placement="weight"))
    return compared(trainer, CLIPPING, OURS, noise)


def run_schedule() -> float:
    trainer = fit(noisy(schedule=schedule))
    return compared(trainer, CLIPPING, gn.add_gradient_noise(schedule=schedule, seed=SEED), OURS)


def run_accumulation() -> float:
    return compared(fit(noisy(), micro=2), CLIPPING, NOISE, OURS, micro=2)


def run_manual() -> float:
    return compared(fit(noisy(), manual=True), NOISE, OURS)


def run_several_optimizers() -> float:
    return compared(fit(noisy(), manual=True, several=True), NOISE, OURS)


def run_pytorch_lightning() -> float:
    return compared(fit(noisy(), package=pytorch_lightning), CLIPPING, NOISE, OURS)


class ScaledOnly(MixedPrecision):  # type: ignore[misc]
    """AMP's scaling without its float16, so that the run stays NumPy's."""

    def autocast_context_manager(self) -> Any:
        return contextlib.nullcontext()


def run_scaled() -> float:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    plugin = ScaledOnly("16-mixed", "cpu", scaler)
    return compared(fit(noisy(), plugins=[plugin]), CLIPPING, NOISE, OURS)


def fact_skipped_steps_draw_nothing() -> bool:
    """The first gradient has an infinity: its step is skipped."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)

    class Watch(pl.Callback):  # type: ignore[misc]
        def on_after_backward(self, trainer: Any, what: Any) -> None:
            if trainer.global_step == 0:
                what.network.out.bias.grad[0] = float("inf")

        def on_train_end(self, *_: Any) -> None:
            self.seen = callback.counts

    callback, watch = noisy(), Watch()
    plugin = ScaledOnly("16-mixed", "cpu", scaler)
    fit(callback, watch, plugins=[plugin])
    return bool(watch.seen == [UPDATES - 1])


def control_plain() -> float:
    return compared(fit(), CLIPPING, NOISE, OURS)


def control_noise_before_clipping() -> float:
    return compared(noisy_trainer(), NOISE, CLIPPING, OURS)


def control_t_from_1() -> float:
    return compared(noisy_trainer(), CLIPPING, from_step_1(NOISE), OURS)


def control_hook_before_clipping() -> float:
    """A callback that adds noise in Lightning's own hook before the step: before it clips."""

    class Early(pl.Callback):  # type: ignore[misc]
        state = NoiseState(0)

        def on_before_optimizer_step(self, trainer: Any, what: Any, optimizer: Any) -> None:
            grads = {name: p.grad for name, p in what.named_parameters()}
            added, self.state = NOISE.update(grads, self.state)
            for name, p in what.named_parameters():
                p.grad.copy_(added[name])

    return compared(fit(Early()), CLIPPING, NOISE, OURS)


# --- saving, loading, going on -----------------------------------------------


def run_resumed(folder: Path) -> float:
    half = fit(noisy(), updates=HALF)
    half.save_checkpoint(folder / "half.ckpt")  # after fitting: the noise is off by now
    trainer = fit(noisy(), checkpoint=folder / "half.ckpt")
    found, unbroken = (weights(t.lightning_module, PREFIX) for t in (trainer, noisy_trainer()))
    assert all(np.array_equal(a, b) for a, b in zip(found, unbroken, strict=True))
    return compared(trainer, CLIPPING, NOISE, OURS)


def run_resumed_from_a_checkpoint_of_a_running_fit(folder: Path) -> float:
    class Save(pl.Callback):  # type: ignore[misc]
        def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
            trainer.save_checkpoint(folder / f"epoch-{trainer.current_epoch}.ckpt")

    fit(noisy(), Save())
    return compared(fit(noisy(), checkpoint=folder / "epoch-0.ckpt"), CLIPPING, NOISE, OURS)


def run_resumed_several(folder: Path) -> float:
    half = fit(noisy(), updates=HALF, manual=True, several=True)
    half.save_checkpoint(folder / "several.ckpt")
    checkpoint = folder / "several.ckpt"
    trainer = fit(noisy(), manual=True, several=True, checkpoint=checkpoint)
    return compared(trainer, NOISE, OURS)


def run_resumed_weight_placement(folder: Path) -> float:
    options = {"eta": 1e-4, "placement": "weight"}
    fit(noisy(**options), updates=HALF).save_checkpoint(folder / "weight.ckpt")
    trainer = fit(noisy(**options), checkpoint=folder / "weight.ckpt")
    return compared(trainer, CLIPPING, OURS, gn.add_weight_noise(1e-4, seed=SEED))


# --- facts -------------------------------------------------------------------


def fact_noise_is_off_at_the_end() -> bool:
    return not hooked(noisy_trainer().optimizers[0])


def fact_noise_is_off_after_a_failure() -> bool:
    class Fails(pl.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.was_on, self.optimizer = hooked(trainer.optimizers[0]), trainer.optimizers[0]
            message = "as it must"
            raise OverflowError(message)

    fails = Fails()
    try:
        fit(noisy(), fails)
    except OverflowError:
        return bool(fails.was_on and not hooked(fails.optimizer))
    return False


def fact_fitting_twice_is_not_twice_the_noise() -> bool:
    callback = noisy()
    fit(callback)
    again = fit(callback)
    pairs = zip(
        *(weights(t.lightning_module, PREFIX) for t in (again, noisy_trainer())), strict=True
    )
    return all(np.array_equal(a, b) for a, b in pairs)


def fact_counts_are_told() -> bool:
    class Watch(pl.Callback):  # type: ignore[misc]
        def on_train_end(self, *_: Any) -> None:
            self.seen = callback.counts

    callback, watch = noisy(), Watch()
    fit(callback, watch)
    return bool(watch.seen == [UPDATES] and callback.counts == [])


def fact_optimizers_of_one_parameter_have_noise_of_their_own() -> bool:
    from gradnoise_backends._torch_training import TrainingNoise

    w = torch.nn.Parameter(torch.zeros(1000))
    pair = [torch.optim.SGD([w], lr=1.0) for _ in range(2)]
    TrainingNoise(1.0, 0.55, 0, None, "gradient").attach(pair, {"w": w})
    steps = []
    for optimizer in pair:
        with torch.no_grad():
            w.zero_()
        w.grad = torch.zeros_like(w)
        optimizer.step()
        steps.append(w.detach().clone())
    return abs(float(torch.corrcoef(torch.stack(steps))[0, 1])) < 0.1


@contextlib.contextmanager
def absent(*packages: str) -> Iterator[None]:
    """Hide packages, as if they were not installed."""
    with mock.patch.dict(sys.modules, dict.fromkeys(packages)):
        yield


def fact_either_name_of_lightning_will_do() -> bool:
    with absent("lightning"):
        other: Any = lightning_callback._callback()
    return other is pytorch_lightning.Callback and lightning_callback._callback() is pl.Callback


# --- what is refused ---------------------------------------------------------


def refused_absence() -> str:
    with absent("lightning", "pytorch_lightning"):
        return refused(ImportError, lightning_callback._callback)


def refused_placement() -> str:
    return refused(ValueError, lambda: noisy(placement="weights"))


def refused_eta() -> str:
    return refused(ValueError, lambda: noisy(eta=-1.0))


def refused_schedule() -> str:
    return refused(TypeError, lambda: noisy(schedule=0.5))


if __name__ == "__main__":
    print_all(globals(), Path(sys.argv[1]), Path(sys.argv[2]))
