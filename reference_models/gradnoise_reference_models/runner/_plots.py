"""Drawing what is stored: each experiment says how."""

from collections.abc import Callable, Sequence
from typing import Any

from gradnoise_reference_models.runner._record import Record

__all__ = ["Plot", "plot_of", "plots", "register_plot"]

#: Makes a Matplotlib figure of an experiment's records, which have their curves.
Plot = Callable[[Sequence[Record]], Any]

_PLOTS: dict[str, Plot] = {}


def register_plot(experiment: str) -> Callable[[Plot], Plot]:
    """Return a decorator: the function draws this experiment for ``gradnoise results plot``.

    It stands in the experiment's module, which the command imports.

    Parameters
    ----------
    experiment : str
        The name that its trials have.

    Examples
    --------
    >>> @register_plot("dice")
    ... def draw(records):
    ...     from matplotlib.figure import Figure
    ...
    ...     figure = Figure()
    ...     figure.add_subplot().hist([record.metrics["dots"] for record in records])
    ...     return figure
    >>> plot_of("dice") is draw
    True
    """

    def register(plot: Plot) -> Plot:
        _PLOTS[experiment] = plot
        return plot

    return register


def plot_of(experiment: str) -> Plot:
    """Return the function that draws an experiment.

    Raises
    ------
    KeyError
        If none was registered; the message has those that were.
    """
    if experiment not in _PLOTS:
        known = ", ".join(plots()) or "none"
        message = f"`experiment` must have a plot, got {experiment!r}. Those that have: {known}."
        raise KeyError(message)
    return _PLOTS[experiment]


def plots() -> list[str]:
    """Return the names of the experiments that have a plot."""
    return sorted(_PLOTS)
