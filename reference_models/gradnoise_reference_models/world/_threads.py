"""Where a thread's short name leads."""

import re
from collections.abc import Mapping

__all__ = ["REPOSITORIES", "address"]

#: The name before ``#`` -> the repository.
REPOSITORIES: Mapping[str, str] = {
    "DiffEqFlux": "SciML/DiffEqFlux.jl",
    "addons": "tensorflow/addons",
    "chainer": "chainer/chainer",
    "csgmcmc": "ruqizhang/csgmcmc",
    "edward": "blei-lab/edward",
    "jax": "jax-ml/jax",
    "keras": "keras-team/keras",
    "mlx": "ml-explore/mlx",
    "mxnet": "apache/mxnet",
    "optax": "google-deepmind/optax",
    "probability": "tensorflow/probability",
    "pytorch": "pytorch/pytorch",
    "tensorflow": "tensorflow/tensorflow",
    "torchopt": "metaopt/torchopt",
}


def address(thread: str) -> str:
    """Return the address of a thread; GitHub leads from an issue's to a pull request's.

    Raises
    ------
    ValueError
        If it is none that is known.

    Examples
    --------
    >>> address("optax#281")
    'https://github.com/google-deepmind/optax/issues/281'
    """
    found = re.fullmatch(r"(\w+)#(\d+)", thread)
    if found is None or found[1] not in REPOSITORIES:
        message = f"`thread` must be one of {', '.join(REPOSITORIES)} and a number, got {thread!r}."
        raise ValueError(message)
    return f"https://github.com/{REPOSITORIES[found[1]]}/issues/{found[2]}"
