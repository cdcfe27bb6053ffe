"""Which dtypes a leaf may have, and in which one its arithmetic is done."""

from typing import Any

from gradnoise_core.typing import Array, Namespace

__all__ = ["FLOATING", "compute_dtype", "dtype_name"]

FLOATING = ("float16", "bfloat16", "float32", "float64")


_NAMES: dict[tuple[type, Any], str] = {}


def dtype_name(array: Array) -> str:
    """Return the dtype's name without its library: ``float32`` for ``torch.float32``."""
    dtype = array.dtype
    # The type comes first, for array-api-strict warns when its dtypes are compared with NumPy's.
    key = (type(dtype), dtype)
    name = _NAMES.get(key)
    if name is None:
        name = _NAMES[key] = str(dtype).rpartition(".")[2]
    return name


def compute_dtype(array: Array, xp: Namespace) -> Any:
    """Return the dtype of a leaf's accumulators: its own, or float32 for 16-bit leaves."""
    return xp.float32 if dtype_name(array) in ("float16", "bfloat16") else array.dtype
