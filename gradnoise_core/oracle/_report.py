"""What a check found: named claims, each with what was seen and what was due."""

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Claim", "ConformanceError", "Report"]


class ConformanceError(AssertionError):
    """An implementation does not do what was claimed of it; the message is the report."""


@dataclass(frozen=True)
class Claim:
    """One thing that was checked.

    Parameters
    ----------
    name : str
        What is claimed, as in ``"variance is eta / (1 + t)**gamma"``.
    passed : bool
        Whether it holds.
    seen, due : str
        What was measured, and what it should be, with its tolerance.
    cause : str
        The likeliest mistake, if the claim fails and the figures point to one.
    p_value : float, optional
        Of a statistical claim: a bound on how often a right implementation looks so wrong.
    """

    name: str
    passed: bool
    seen: str = ""
    due: str = ""
    cause: str = ""
    p_value: float | None = None

    def __str__(self) -> str:
        """Return one line, and a second with the cause if there is one."""
        line = f"{'pass' if self.passed else 'FAIL'}  {self.name}"
        if self.seen:
            line += f": {self.seen}"
        if self.due:
            line += f" (due: {self.due})"
        return f"{line}\n      {self.cause}" if self.cause and not self.passed else line


@dataclass(frozen=True)
class Report:
    """The claims on one subject, and whether all of them hold.

    Parameters
    ----------
    subject : str
        What was judged.
    claims : tuple of Claim
        In the order in which they were checked; never empty.

    Raises
    ------
    ValueError
        If there are no claims: nothing checked is nothing passed.
    """

    subject: str
    claims: tuple[Claim, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse an empty report."""
        if not self.claims:
            message = f"`claims` must not be empty: nothing was checked of {self.subject}."
            raise ValueError(message)

    def __iter__(self) -> Iterator[Claim]:
        """Yield the claims."""
        return iter(self.claims)

    @property
    def passed(self) -> bool:
        """Whether every claim holds."""
        return all(claim.passed for claim in self.claims)

    @property
    def failures(self) -> tuple[Claim, ...]:
        """The claims that do not hold."""
        return tuple(claim for claim in self.claims if not claim.passed)

    def __str__(self) -> str:
        """Return the verdict and one line a claim."""
        verdict = "passed" if self.passed else f"{len(self.failures)} of {len(self.claims)} failed"
        return "\n".join([f"{self.subject}: {verdict}", *(f"  {c}" for c in self.claims)])

    def raise_if_failed(self) -> "Report":
        """Return the report itself if it passed.

        Raises
        ------
        ConformanceError
            With the whole report, if a claim does not hold.
        """
        if not self.passed:
            raise ConformanceError(str(self))
        return self
