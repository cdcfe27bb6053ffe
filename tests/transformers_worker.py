"""Every check of the transformers callback, in one process, for the Trainer takes long to import.

Run as a script with a folder and the page of the documentation to run; prints what was found, by
check: a distance, a fact or a message.
"""

import functools
import importlib
import sys
import warnings
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
# Trainer pins memory unless told not to, and torch warns where there is no GPU to pin it for.
warnings.filterwarnings("ignore", "'pin_memory' argument is set as true", UserWarning, "torch")

import transformers
from accelerate.optimizer import AcceleratedOptimizer

import gradnoise_core as gn
from gradnoise_backends import transformers_callback
from gradnoise_backends.transformers_callback import GradientNoiseCallback
from gradnoise_core.noise import NoiseState

transformers.logging.set_verbosity_error()

CLIPPING = clip_as_torch(CLIP)
OURS = gn.adam(RATE, dialect="torch")
NOISE = gn.add_gradient_noise(ETA, seed=SEED)
PREFIX = "network."


class Digits(torch.nn.Module):  # type: ignore[misc]
    """The network of the run, as a Trainer wants it: with the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network()

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.network(x)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


class InOrder(transformers.Trainer):  # type: ignore[misc]
    """A Trainer that takes the examples in their order."""

    def _get_train_sampler(self, *_: Any) -> Any:
        return torch.utils.data.SequentialSampler(self.train_dataset)


def train(
    folder: Path,
    *callbacks: Any,
    micro: int = 1,
    stop: int = 0,
    resume: Any = None,
    trainer: Any = None,
    **options: Any,
) -> Any:
    """Return the trainer after all updates, or interrupted after `stop`."""
    if trainer is None:
        x, y = map(torch.from_numpy, minibatches(UPDATES * micro))
        settings = {
            "output_dir": str(folder),
            "per_device_train_batch_size": BATCH,
            "gradient_accumulation_steps": micro,
            "max_steps": UPDATES,
            "learning_rate": RATE,
            "lr_scheduler_type": "constant",
            "optim": "adamw_torch",
            "weight_decay": 0.0,
            "max_grad_norm": CLIP,
            "save_strategy": "no",
            "report_to": "none",
            "use_cpu": True,
            "disable_tqdm": True,
            **options,
        }
        trainer = InOrder(
            model=Digits(),
            args=transformers.TrainingArguments(**settings),
            train_dataset=[{"x": a, "labels": b} for a, b in zip(x, y, strict=True)],
            callbacks=[*callbacks, Stop(stop)] if stop else list(callbacks),
        )
        trainer.remove_callback(transformers.PrinterCallback)
    trainer.train(resume_from_checkpoint=resume)
    return trainer


class Stop(transformers.TrainerCallback):  # type: ignore[misc]
    """Save and stop after some updates, as a run that is cut off."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.after:
            control.should_save = control.should_training_stop = True


def noisy(**options: Any) -> Any:
    return GradientNoiseCallback(**{"eta": ETA, "seed": SEED, **options})


def compared(trainer: Any, *links: Any, **options: Any) -> float:
    return to_reference(weights(trainer.model, PREFIX), *links, prefix=PREFIX, **options)


@functools.cache
def noisy_trainer(folder: Path) -> Any:
    return train(folder / "noisy", noisy())


# --- what is trained is NumPy's run ------------------------------------------


def run_clipped(folder: Path) -> float:
    return compared(noisy_trainer(folder), CLIPPING, NOISE, OURS)


def run_weight_placement(folder: Path) -> float:
    trainer = train(folder, noisy(eta=1e-4, placement="weight"))
    return compared(trainer, CLIPPING, OURS, gn.add_weight_noise(1e-4, seed=SEED))


def run_schedule(folder: Path) -> float:
    trainer = train(folder, noisy(schedule=schedule))
    return compared(trainer, CLIPPING, gn.add_gradient_noise(schedule=schedule, seed=SEED), OURS)


def run_accumulation(folder: Path) -> float:
    return compared(train(folder, noisy(), micro=2), CLIPPING, NOISE, OURS, micro=2)


def control_plain(folder: Path) -> float:
    return compared(train(folder), CLIPPING, NOISE, OURS)


def control_noise_before_clipping(folder: Path) -> float:
    return compared(noisy_trainer(folder), NOISE, CLIPPING, OURS)


def control_t_from_1(folder: Path) -> float:
    return compared(noisy_trainer(folder), CLIPPING, from_step_1(NOISE), OURS)


def control_resumed_from_0(folder: Path) -> float:
    """A resumed run whose count begins again, as hooks that no state knows of do."""
    restarted = functools.partial(_restarted, NOISE)
    again = gn.GradientTransformation(NOISE.init, restarted)
    return compared(noisy_trainer(folder), CLIPPING, again, OURS)


def _restarted(link: Any, grads: Any, state: Any, params: Any = None) -> Any:
    added, _ = link.update(grads, NoiseState(state.count % HALF), params)
    return added, NoiseState(state.count + 1)


# --- saving, loading, going on -----------------------------------------------


def run_resumed(folder: Path) -> float:
    train(folder / "cut", noisy(), stop=HALF)
    trainer = train(folder / "cut", noisy(), resume=str(folder / "cut" / f"checkpoint-{HALF}"))
    found, unbroken = (weights(t.model, PREFIX) for t in (trainer, noisy_trainer(folder)))
    assert all(np.array_equal(a, b) for a, b in zip(found, unbroken, strict=True))
    return compared(trainer, CLIPPING, NOISE, OURS)


def run_resumed_weight_placement(folder: Path) -> float:
    options = {"eta": 1e-4, "placement": "weight"}
    train(folder / "weight", noisy(**options), stop=HALF)
    checkpoint = str(folder / "weight" / f"checkpoint-{HALF}")
    trainer = train(folder / "weight", noisy(**options), resume=checkpoint)
    return compared(trainer, CLIPPING, OURS, gn.add_weight_noise(1e-4, seed=SEED))


def run_resumed_by_the_same_trainer(folder: Path) -> float:
    trainer = train(folder / "same", noisy(), save_strategy="steps", save_steps=HALF)
    with torch.no_grad():  # which a Trainer that resumes loads anew
        for p in trainer.model.parameters():
            p.fill_(7.0)
    train(folder, trainer=trainer, resume=str(folder / "same" / f"checkpoint-{HALF}"))
    return compared(trainer, CLIPPING, NOISE, OURS)


# --- Accelerate's optimizer with a scaler, which a Trainer has on a GPU ------


def scaled(callback: Any, infinite_at: int = -1) -> tuple[list[Any], list[bool]]:
    """Return the weights after the run, by Accelerate's optimizer, and which steps it skipped."""
    model, scaler = Digits(), torch.amp.GradScaler("cpu", init_scale=2.0**10)
    inner = torch.optim.Adam(model.parameters(), lr=RATE)
    optimizer, skipped = AcceleratedOptimizer(inner, scaler=scaler), []
    callback.on_train_begin(None, None, None, model=model, optimizer=optimizer)
    x, y = map(torch.from_numpy, minibatches(UPDATES))
    for i in range(UPDATES):
        part = slice(i * BATCH, (i + 1) * BATCH)
        for attempt in range(2 if i == infinite_at else 1):
            optimizer.zero_grad()
            scaler.scale(model(x[part], y[part])["loss"]).backward()
            if i == infinite_at and attempt == 0:
                model.network.out.bias.grad[0] = float("inf")
            scaler.unscale_(inner)
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            skipped.append(optimizer.step_was_skipped)
    callback.on_train_end(None, None, None)
    return weights(model, PREFIX), skipped


def run_accelerated_and_scaled(folder: Path) -> float:
    found, skipped = scaled(noisy())
    assert not any(skipped)
    return to_reference(found, CLIPPING, NOISE, OURS, prefix=PREFIX)


def run_accelerated_and_skipped(folder: Path) -> float:
    """A step that is skipped and made again draws its noise once."""
    found, skipped = scaled(noisy(), infinite_at=3)
    assert skipped == [i == 3 for i in range(UPDATES + 1)]
    return to_reference(found, CLIPPING, NOISE, OURS, prefix=PREFIX)


# --- facts -------------------------------------------------------------------


def fact_noise_is_off_at_the_end(folder: Path) -> bool:
    optimizer = noisy_trainer(folder).optimizer
    return isinstance(optimizer, AcceleratedOptimizer) and not hooked(optimizer.optimizer)


def fact_the_count_is_told(folder: Path) -> bool:
    class Watch(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            seen.append(callback.count)

    callback, seen = noisy(), []  # type: ignore[var-annotated]
    train(folder, callback, Watch())
    return seen == list(range(1, UPDATES + 1)) and callback.count == 0


def fact_a_model_of_transformers_trains(folder: Path) -> bool:
    """A small one made of its config, with its own loss, its mask and its shared weights."""
    config = transformers.GPT2Config(
        vocab_size=17, n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config)
    before = model.lm_head.weight.detach().clone()
    data = [{"input_ids": [1, 2, 3, 4], "labels": [1, 2, 3, 4]}] * 8
    args = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=2,
        learning_rate=1e-2,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        model=model, args=args, train_dataset=data, callbacks=[noisy(eta=0.01)]
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    after = model.transformer.wte.weight.detach()
    count = trainer.optimizer.param_groups[0]["gradient-noise-count"]
    return bool(count == 2 and torch.isfinite(after).all() and not torch.equal(before, after))


# --- what is refused ---------------------------------------------------------


def refused_absence(folder: Path) -> str:
    with mock.patch.dict(sys.modules, {"transformers": None}):
        return refused(ImportError, lambda: importlib.reload(transformers_callback))


def refused_placement(folder: Path) -> str:
    return refused(ValueError, lambda: noisy(placement="weights"))


def refused_eta(folder: Path) -> str:
    return refused(ValueError, lambda: noisy(eta=-1.0))


if __name__ == "__main__":
    print_all(globals(), Path(sys.argv[1]), Path(sys.argv[2]))
