"""The verdict on one subject."""

import importlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from gradnoise_core.backend import backend_for
from gradnoise_core.oracle import (
    Report,
    check_noise,
    check_noise_seeds,
    check_optimizer,
    identify_dialect,
    optimizer_steps,
)
from gradnoise_reference_models.world._frameworks import FRAMEWORKS, Framework, installed
from gradnoise_reference_models.world._host import HostError, Hosts
from gradnoise_reference_models.world._measure import distance, noise_ratios, sgld_scales
from gradnoise_reference_models.world._subject import NoiseSubject, OptimizerSubject, Subject

__all__ = ["Verdict", "judge", "version_of"]

#: The settings of the paper's law, where a subject claims another.
ETA, GAMMA = 0.01, 0.55

#: Elements of float32 parameters, enough for every gradient that is tried.
_ELEMENTS = 1024


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found of a subject.

    Parameters
    ----------
    name : str
        The subject's.
    status : {"judged", "not installed", "does not run"}
    reason : str
        Why it was not judged.
    claim : str
        What it claims to be.
    passed : bool or None
        Whether it is that; None if it was not judged.
    failed : list of str
        The claims that do not hold, with what was seen.
    cause : str
        The likeliest mistake, where a claim does not hold.
    spoken : str
        What `identify_dialect` said without being told; of an optimizer.
    paper : bool or None
        Whether it is what the paper has.
    from_claim, from_paper : mapping
        How far it is from either. Of an optimizer ``share`` and ``absolute`` as `distance` has
        them; of an SGLD ``drift`` in h g and ``noise`` in sqrt(h); of noise the standard
        deviation at t, over what is due.
    because : str
        In what it differs from the paper.
    """

    name: str
    status: Literal["judged", "not installed", "does not run"]
    reason: str = ""
    claim: str = ""
    passed: bool | None = None
    failed: list[str] = field(default_factory=list)
    cause: str = ""
    spoken: str = ""
    paper: bool | None = None
    from_claim: Mapping[str, float] = field(default_factory=dict)
    from_paper: Mapping[str, float] = field(default_factory=dict)
    because: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def version_of(name: str, hosts: Hosts) -> str | None:
    """Return the version of a framework that is there, or None.

    Raises
    ------
    HostError
        If it is there and cannot be imported.
    """
    framework = FRAMEWORKS[name]
    if not framework.hosted:
        return installed(framework)
    if name not in hosts.pythons and installed(framework) is None:
        return None
    try:
        return hosts.host(name).version()
    except HostError as error:
        # Of this framework itself: of what it needs an absence is an error.
        if f"No module named '{framework.module}'" in str(error):
            return None
        raise


def judge(subject: Subject, hosts: Hosts, *, identify: bool = True) -> Verdict:
    """Return the verdict on a subject.

    Parameters
    ----------
    hosts : Hosts
        The processes of those that need one.
    identify : bool
        Whether to ask which dialect it speaks, which takes longest.
    """
    claim = _claim(subject)
    framework = FRAMEWORKS.get(subject.framework)
    try:
        if framework is not None and version_of(subject.framework, hosts) is None:
            return Verdict(
                name=subject.name, status="not installed", claim=claim, reason=framework.install
            )
        with _context(framework, subject):
            if isinstance(subject, NoiseSubject):
                return _noise(subject, hosts, claim)
            assert isinstance(subject, OptimizerSubject)
            if subject.optimizer in ("sgld", "psgld"):
                return _sampler(subject, hosts, claim, identify=identify)
            return _optimizer(subject, hosts, claim, identify=identify)
    except (HostError, ImportError, _CannotRunError) as error:
        return Verdict(name=subject.name, status="does not run", claim=claim, reason=str(error))


class _CannotRunError(RuntimeError):
    """What a subject said when it was asked to run."""


def _context(framework: Framework | None, subject: Subject) -> Any:
    if framework is None:
        framework = FRAMEWORKS["torch"]  # one without a context of its own
    return framework.context(float64=isinstance(subject, OptimizerSubject))


def _claim(subject: Subject) -> str:
    if isinstance(subject, NoiseSubject):
        return subject.claim
    assert isinstance(subject, OptimizerSubject)
    said = "".join(f", {name} {_plain(value)}" for name, value in subject.keywords.items())
    return f"{subject.optimizer}, dialect {subject.dialect}{said}"


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, bool | str) else f"{value:g}"


# --- optimizers ----------------------------------------------------------------------------------


def _maker(subject: OptimizerSubject, hosts: Hosts) -> Any:
    """Return what the oracle takes."""
    if subject.make is not None:
        return subject.make(subject.rate)
    host = hosts.host(subject.framework)
    return lambda: host.optimizer(subject.hosted, subject.options)


def _params(subject: OptimizerSubject, elements: int = 0) -> Any:
    """Return an example of the parameters, where the oracle's own would not do."""
    if not (subject.float32 or subject.library):
        return None
    shapes: dict[str, tuple[int, ...]] = {"bias": (10,), "twin": (4, 10), "weight": (4, 10)}
    if elements:
        shapes = {"probes": (elements,)}
    backend = backend_for(importlib.import_module(subject.library or "numpy"))
    dtype = np.float32 if subject.float32 else np.float64
    return {name: backend.from_host(np.zeros(shape, dtype)) for name, shape in shapes.items()}


def _optimizer(subject: OptimizerSubject, hosts: Hosts, claim: str, *, identify: bool) -> Verdict:
    s = subject
    report = check_optimizer(
        _maker(s, hosts), s.optimizer, s.dialect, learning_rate=s.learning_rate, params=_params(s),
        **s.keywords,
    )  # fmt: skip
    _ran(report)
    steps = optimizer_steps(_maker(s, hosts), learning_rate=s.learning_rate, params=_params(s))
    from_claim = distance(steps, s.optimizer, s.dialect, s.keywords)
    from_paper = distance(steps, s.optimizer, "paper", s.keywords)
    because = ""
    if from_paper["share"]:
        told = steps.keywords_that_matter(s.optimizer, s.dialect, **s.keywords)
        because = ", ".join(f"{name} {_plain(value)}" for name, value in told.items())
        if from_claim["share"]:
            # Its dialect's keywords are not all there is to it.
            because = "; besides, ".join(filter(None, (because, _cause(report))))
    return Verdict(
        name=s.name,
        status="judged",
        claim=claim,
        passed=report.passed,
        failed=_failed(report),
        cause=_cause(report),
        spoken=_spoken(s, hosts) if identify else "",
        paper=not from_paper["share"],
        from_claim=from_claim,
        from_paper=from_paper,
        because=because,
    )


def _spoken(subject: OptimizerSubject, hosts: Hosts) -> str:
    """Return what `identify_dialect` says of a subject that it is told nothing of."""
    # What a sampler's rate stands for is a convention: without the rate there is none to tell.
    drawn = subject.optimizer in ("sgld", "psgld")
    told = subject.learning_rate if drawn or subject.rate_is != "set" else None
    found = identify_dialect(
        _maker(subject, hosts), learning_rate=told, params=_params(subject, _ELEMENTS)
    )
    if not found.recognised:
        return f"nothing known: {found.nearest}"
    said = []
    for r in found.readings:
        words = f"{r.optimizer} ({', '.join(r.own or r.dialects) or 'no dialect'})"
        if drawn:
            k = {name: x for name, x in r.hyperparameters.items() if name != "learning_rate"}
            words += "".join(f", {name} {_plain(value)}" for name, value in k.items())
        said.append(words)
    return " or ".join(dict.fromkeys(said))


def _sampler(subject: OptimizerSubject, hosts: Hosts, claim: str, *, identify: bool) -> Verdict:
    s = subject

    def judged(**keywords: Any) -> Report:
        return check_optimizer(
            _maker(s, hosts), s.optimizer, s.dialect, learning_rate=s.rate, params=_params(s, _ELEMENTS),
            **keywords,
        )  # fmt: skip

    report = judged(**s.keywords)
    _ran(report)
    # Conventions and constants are the paper's; a temperature is what was asked for.
    paper = judged(**{k: v for k, v in s.keywords.items() if k == "temperature"})
    scales: dict[str, float] = {}
    due: dict[str, float] = {}
    if s.optimizer == "sgld":
        scales = sgld_scales(_maker(s, hosts), s.rate, float32=s.float32)
        due = {"drift": 0.5, "noise": math.sqrt(s.keywords.get("temperature", 1.0))}
    return Verdict(
        name=s.name,
        status="judged",
        claim=claim,
        passed=report.passed,
        failed=_failed(report),
        cause=_cause(report),
        spoken=_spoken(s, hosts) if identify else "",
        paper=paper.passed,
        from_claim=scales,
        from_paper={k: float(f"{v / due[k]:.3g}") for k, v in scales.items()},
        because=_cause(paper),
    )


# --- noise ---------------------------------------------------------------------------------------


def _noise(subject: NoiseSubject, hosts: Hosts, claim: str) -> Verdict:
    s = subject
    like = _like(s)

    def make(seed: int) -> Any:
        if s.make is not None:
            return s.make(seed)
        return hosts.host(s.framework).noise(s.hosted, s.options)

    def judged(eta: float, gamma: float) -> Report:
        return check_noise(make(0), eta=eta, gamma=gamma, like=like, in_order=s.in_order)

    report = judged(s.eta, s.gamma)
    _ran(report)
    claims = report
    if s.seeded:
        seeds = check_noise_seeds(make, like=like)
        claims = Report(report.subject, (*report.claims, *seeds.claims))
    own = s.gamma > 0
    paper = report if own else judged(ETA, GAMMA)
    return Verdict(
        name=s.name,
        status="judged",
        claim=claim,
        passed=claims.passed,
        failed=_failed(claims),
        cause=_cause(claims),
        paper=paper.passed,
        from_claim=noise_ratios(make(0), _zeros(s), s.eta, s.gamma),
        from_paper=noise_ratios(
            make(0), _zeros(s), s.eta if own else ETA, s.gamma if own else GAMMA
        ),
        because=_cause(paper),
    )


def _like(subject: NoiseSubject) -> Any:
    shapes = {"a": (97, 53), "b": (97, 53), "c": (5003,), "d": (101,)}
    backend = backend_for(importlib.import_module(subject.library))
    out = {name: backend.from_host(np.zeros(shape, np.float32)) for name, shape in shapes.items()}
    dtype = getattr(backend.namespace, subject.dtype, None)
    if dtype is None:
        dtype = getattr(importlib.import_module(subject.library), subject.dtype)
    return {name: backend.namespace.astype(x, dtype) for name, x in out.items()}


_zeros = _like


# --- reports -------------------------------------------------------------------------------------

#: Claims that fail where a subject cannot be run at all.
_RUNS = ("it runs", "returns a gradient")


def _ran(report: Report) -> None:
    for claim in report.failures:
        if claim.name in _RUNS:
            raise _CannotRunError(claim.seen)


def _failed(report: Report) -> list[str]:
    return [
        f"{claim.name}: {claim.seen}" if claim.seen else claim.name for claim in report.failures
    ]


def _cause(report: Report) -> str:
    return next((claim.cause for claim in report.failures if claim.cause), "")
