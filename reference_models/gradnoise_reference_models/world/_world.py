"""The table of all that is judged."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from gradnoise_reference_models.world._hosted_family import HOSTED_SUBJECTS
from gradnoise_reference_models.world._jax_family import JAX_SUBJECTS
from gradnoise_reference_models.world._mlx_family import MLX_SUBJECTS
from gradnoise_reference_models.world._restated import RESTATED_SUBJECTS
from gradnoise_reference_models.world._subject import Subject
from gradnoise_reference_models.world._torch_family import TORCH_SUBJECTS

__all__ = ["WORLD", "chosen"]

#: Every subject, in the order of the record.
WORLD: tuple[Subject, ...] = (
    *JAX_SUBJECTS,
    *TORCH_SUBJECTS,
    *MLX_SUBJECTS,
    *HOSTED_SUBJECTS,
    *RESTATED_SUBJECTS,
)


def chosen(patterns: Sequence[str]) -> tuple[Subject, ...]:
    """Return the subjects whose name or framework matches any pattern; all without patterns.

    Raises
    ------
    ValueError
        If a pattern matches none.

    Examples
    --------
    >>> [subject.name for subject in chosen(["optax.ad[ad]*[dm]"])]
    ['optax.adagrad', 'optax.adam']
    """
    matched = {}
    for pattern in patterns:
        # A bracket is a set in a pattern, so a whole name with one would not match itself.
        matched[pattern] = [
            s
            for s in WORLD
            if pattern in (s.name, s.framework or "restated")
            or fnmatchcase(s.name, pattern)
            or fnmatchcase(s.framework or "restated", pattern)
        ]
        if not matched[pattern]:
            message = f"`only` must match a subject or a framework, got {pattern!r}; see --list."
            raise ValueError(message)
    if not patterns:
        return WORLD
    return tuple(s for s in WORLD if any(s in found for found in matched.values()))
