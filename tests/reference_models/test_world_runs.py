"""What is installed still gives the verdicts that are recorded; and wrong ones are told apart."""

import ast
import dataclasses
import importlib.util
import io
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradnoise_core as gn
from gradnoise_reference_models.world import (
    FRAMEWORKS,
    WORLD,
    HostError,
    Hosts,
    NoiseSubject,
    OptimizerSubject,
    Record,
    Subject,
    chosen,
    differences,
    judge,
    version_of,
)
from gradnoise_reference_models.world._host import PROGRAM, Host
from gradnoise_reference_models.world._hosted.pipe import receive, send

RECORD = Path(__file__).parents[2] / "docs" / "results" / "world.json"
HERE = ("optax", "torch", "keras-jax", "keras-torch", "")


@pytest.fixture(scope="module")
def recorded() -> Record:
    return Record.from_json(RECORD.read_text("utf-8"))


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with Hosts() as made:
        yield made


def one(name: str) -> Any:
    (found,) = chosen([name])
    return found


@pytest.mark.parametrize("subject", [s for s in WORLD if s.framework in HERE], ids=lambda s: s.name)
def test_a_fresh_run_gives_the_recorded_verdict(
    subject: Subject, recorded: Record, hosts: Hosts
) -> None:
    framework = FRAMEWORKS.get(subject.framework)
    if framework is not None and importlib.util.find_spec(framework.module) is None:
        pytest.skip(f"{framework.module} is not installed")
    # Which dialect it speaks is asked of one in each framework and of what draws noise.
    asked = subject.name.startswith(("optax.rmsprop", "keras.optimizers.Adam,", "SGLD"))
    fresh = judge(subject, hosts, identify=asked).as_json()
    assert fresh["status"] == "judged"
    assert differences(recorded.verdicts[subject.name], fresh) == []


# --- negative controls --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dialect", "because"),
    [
        ("optax.rmsprop", "torch", "it is rmsprop as optax means it"),
        ("torch.optim.SGD(momentum=0.9), single", "keras", "`rate_inside` is False"),
        ("keras.optimizers.Adam, on torch", "torch", "it is adam as keras means it"),
    ],
)
def test_the_wrong_claim_fails(name: str, dialect: str, because: str, hosts: Hosts) -> None:
    subject = dataclasses.replace(one(name), dialect=dialect)
    if importlib.util.find_spec(FRAMEWORKS[subject.framework].module) is None:
        pytest.skip(f"{subject.framework} is not installed")
    verdict = judge(subject, hosts, identify=False)
    assert verdict.passed is False
    assert verdict.from_claim["share"] > 0.01
    assert because in verdict.cause


def test_a_deviation_from_the_paper_is_of_the_dialect_and_of_the_mistake(hosts: Hosts) -> None:
    """A wrong Keras is off the paper by Keras's own keywords too."""
    subject = one("torch.optim.Adam, single")
    made = dataclasses.replace(
        subject,
        framework="",
        source="here",
        dialect="tf1",
        make=lambda rate: lambda: gn.adam(float(np.float32(rate)), dialect="tf1"),
        rate_is="fixed",
    )
    verdict = judge(made, hosts, identify=False)
    assert verdict.passed is False
    assert verdict.because == f"eps_hat True; besides, {verdict.cause}"
    assert verdict.cause == "the learning rate is held in float32 beside float64 parameters"


def test_a_slightly_wrong_optimizer_differs_from_the_record(recorded: Record, hosts: Hosts) -> None:
    torch = pytest.importorskip("torch")
    subject = one("torch.optim.Adam, single")

    def make(rate: float) -> Any:
        return lambda params: torch.optim.Adam(params, lr=rate, eps=1.1e-8, foreach=False)

    wrong = dataclasses.replace(subject, make=make)
    told = differences(
        recorded.verdicts[subject.name], judge(wrong, hosts, identify=False).as_json()
    )
    assert {line.partition(" is ")[0] for line in told} >= {"passed", "paper", "from_claim"}


def test_noise_a_twentieth_too_loud_differs_from_the_record(recorded: Record, hosts: Hosts) -> None:
    subject = one("domluna/memn2n's add_gradient_noise")
    rng = np.random.default_rng(0)

    def make(seed: int) -> Any:
        return lambda gradient, t: {
            name: (g + 0.00105 * rng.standard_normal(g.shape)).astype(g.dtype)
            for name, g in gradient.items()
        }

    assert judge(subject, hosts).passed
    verdict = judge(dataclasses.replace(subject, make=make), hosts)
    assert verdict.passed is False
    assert verdict.from_claim["0"] in (1.0, 1.1)


def test_what_cannot_run_is_not_judged(hosts: Hosts) -> None:
    def noisy(gradient: Any, t: int) -> Any:
        message = "there is no device"
        raise OSError(message)

    def step(params: Any, grads: Any) -> Any:
        message = "there is no device"
        raise OSError(message)

    noise = dataclasses.replace(one("neural_gpu's gradient noise"), make=lambda seed: noisy)
    optimizer = dataclasses.replace(one("optax.sgd"), make=lambda rate: lambda: step)
    if importlib.util.find_spec("optax") is None:
        optimizer = dataclasses.replace(optimizer, framework="", source="here")
    for subject in (noise, optimizer):
        verdict = judge(subject, hosts)
        assert verdict.status == "does not run"
        assert "there is no device" in verdict.reason
        assert verdict.passed is None


# --- what is not installed, and other processes ---------------------------------------------------


def test_what_is_not_installed_says_how_to_install_it(hosts: Hosts) -> None:
    absent = [n for n, f in FRAMEWORKS.items() if importlib.util.find_spec(_root(f.module)) is None]
    for name in absent:
        assert version_of(name, hosts) is None
        subject = next(s for s in WORLD if s.framework == name)
        verdict = judge(subject, hosts)
        assert verdict.status == "not installed"
        assert verdict.reason == FRAMEWORKS[name].install
        assert verdict.reason.startswith("pip install ")


def _root(module: str) -> str:
    return module.partition(".")[0]


def test_an_interpreter_without_the_framework_is_asked() -> None:
    if importlib.util.find_spec("chainer") is not None:
        pytest.skip("chainer is installed")
    with Hosts({"chainer": sys.executable}) as hosts:
        assert version_of("chainer", hosts) is None


def test_errors_of_another_process_come_back(hosts: Hosts) -> None:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("keras is not installed")
    host = hosts.host("keras-torch")
    assert host.version()
    step = host.optimizer("NoSuchOptimizer", {})
    with pytest.raises(HostError, match="NoSuchOptimizer"):
        step({"w": np.zeros(3)}, {"w": np.zeros(3)}, 0.1)
    # And it goes on.
    step = host.optimizer("SGD", {})
    new = step({"w": np.ones(3)}, {"w": np.full(3, 2.0)}, 0.25)
    assert new["w"].tolist() == [0.5, 0.5, 0.5]
    assert hosts.host("keras-torch") is host


def test_a_process_that_ends_is_an_error() -> None:
    framework = dataclasses.replace(FRAMEWORKS["chainer"], hosted="no such framework")
    host = Host(framework, sys.executable)
    with pytest.raises(HostError, match=r"the other process has ended|Broken pipe"):
        host.version()
    host.close()


def test_messages_carry_arrays_of_all_shapes() -> None:
    stream = io.BytesIO()
    arrays: list[Any] = [
        np.float64(2.5),
        np.zeros((0, 3), np.float32),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(3, dtype=">f8"),
    ]
    send(stream, {"do": "step", "rate": 0.1}, arrays)
    stream.seek(0)
    message, out = receive(stream)
    assert message == {"do": "step", "rate": 0.1}
    for a, b in zip(arrays, out, strict=True):
        assert b.shape == np.shape(a)
        assert b.dtype == np.asarray(a).dtype.newbyteorder("=")
        assert np.array_equal(a, b)
    with pytest.raises(EOFError, match="has ended"):
        receive(stream)
    cut = io.BytesIO(stream.getvalue()[:-1])
    with pytest.raises(EOFError, match="has ended"):
        receive(cut)


def test_the_program_of_other_interpreters_needs_nothing_of_this_library() -> None:
    """It imports the standard library and NumPy as it starts, and a framework when asked."""
    files = sorted(PROGRAM.glob("*.py"))
    assert {"__main__.py", "pipe.py", "of_keras.py", "of_chainer.py"} <= {f.name for f in files}
    allowed = {*sys.stdlib_module_names, "numpy"}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {_root(alias.name) for alias in node.names} <= allowed, file
            elif isinstance(node, ast.ImportFrom):
                assert node.module is not None
                assert _root(node.module) in allowed, file
    named = {
        f"{module}.py"
        for module in runpy.run_path(str(PROGRAM / "__main__.py"))["MODULES"].values()
    }
    assert named == {f.name for f in files if f.name.startswith("of_")}


def test_kinds_of_subjects_are_these_two() -> None:
    assert all(isinstance(s, OptimizerSubject | NoiseSubject) for s in WORLD)
