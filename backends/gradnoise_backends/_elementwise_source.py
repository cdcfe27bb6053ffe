"""A kernel's source as one loop: what a kernel computes, written down by running it once.

The kernel runs on symbols instead of arrays, and each operation on them is a line of the loop.
Numbers are kept apart: what a kernel computes from numbers alone stays in Python's float64, as it
does with arrays, and is rounded to the arrays' dtype where it meets one. Their values are no part
of the source, so one compiled loop serves all of them.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Source", "UnknownOperationError", "write"]


class UnknownOperationError(TypeError):
    """A kernel does what no line of a loop was written for."""


class Source(NamedTuple):
    """A kernel written down.

    Attributes
    ----------
    lines : tuple of str
        Of the loop's body, on ``a0, a1, ...`` (arrays), ``z0, ...`` (normals) and ``s0, ...``
        (numbers).
    results : tuple of str
        The names of what it returns.
    size : int
        How many numbers there are.
    numbers : callable
        ``scalars -> tuple``: the values of ``s0, s1, ...`` for given coefficients.
    """

    lines: tuple[str, ...]
    results: tuple[str, ...]
    size: int
    numbers: Callable[[Sequence[float]], tuple[float, ...]]


def write(
    kernel: Callable[..., Sequence[Any]], arrays: int, normals: int, scalars: int, dtype: Any
) -> Source:
    """Return the source of ``kernel(xp, arrays, normals, scalars)`` on arrays of a dtype.

    Raises
    ------
    UnknownOperationError
        If the kernel uses an operation that is not written down here.
    """
    book = _Book(np.dtype(dtype))
    inputs = [_Element(book, f"a{i}") for i in range(arrays)]
    drawn = [_Element(book, f"z{i}") for i in range(normals)]
    given = [_Number(operator.itemgetter(i)) for i in range(scalars)]
    try:
        results = kernel(_Names(book), tuple(inputs), tuple(drawn), given)
        names = tuple(book.name(r) for r in results)
    except (AttributeError, TypeError) as error:
        raise UnknownOperationError(str(error)) from error
    numbers = tuple(book.numbers)
    return Source(
        tuple(book.lines), names, len(numbers), lambda values: tuple(n(values) for n in numbers)
    )


class _Book:
    """The lines so far, and the numbers that they use."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.lines: list[str] = []
        self.numbers: list[Callable[[Sequence[float]], float]] = []
        self.known: dict[Any, str] = {}

    def name(self, value: Any) -> str:
        """Return what a value is called in the loop; a number gets a name of its own."""
        if isinstance(value, _Element):
            return value.name
        if not isinstance(value, _Number | int | float):
            message = f"{type(value).__name__} is neither an array nor a number"
            raise UnknownOperationError(message)
        # Equal constants of one kernel need not stay equal for another: no two share a name.
        number = value.value if isinstance(value, _Number) else _constant(float(value))
        self.numbers.append(number)
        return f"s{len(self.numbers) - 1}"

    def line(self, text: str) -> "_Element":
        name = f"v{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return _Element(self, name)


def _constant(value: float) -> Callable[[Sequence[float]], float]:
    return lambda _: value


class _Number:
    """A number that the loop gets, in float64 like Python's."""

    def __init__(self, value: Callable[[Sequence[float]], float]) -> None:
        self.value = value

    def __neg__(self) -> "_Number":
        return _Number(lambda values: -self.value(values))

    def __pow__(self, n: float) -> "_Number":
        return _Number(lambda values: float(self.value(values)) ** n)


class _Element:
    """One element of an array."""

    __array_ufunc__ = None  # so that NumPy's numbers leave the operation to it

    def __init__(self, book: _Book, name: str) -> None:
        self.book, self.name, self.dtype = book, name, book.dtype

    def __neg__(self) -> "_Element":
        return self.book.line(f"-{self.name}")

    def __pow__(self, n: Any) -> "_Element":
        if n != 2:
            message = f"a power of {n!r}"
            raise UnknownOperationError(message)
        return self.book.line(f"{self.name} * {self.name}")


def _arithmetic(method: str, symbol: str) -> None:
    def on_elements(self: _Element, other: Any) -> Any:
        return self.book.line(f"{self.name} {symbol} {self.book.name(other)}")

    def on_elements_reversed(self: _Element, other: Any) -> Any:
        return self.book.line(f"{self.book.name(other)} {symbol} {self.name}")

    def compute(a: Any, b: Any) -> Any:
        return getattr(a, f"__{method}__")(b)

    def on_numbers(self: _Number, other: Any) -> Any:
        if isinstance(other, _Element):
            return NotImplemented
        right = other.value if isinstance(other, _Number) else _constant(float(other))
        return _Number(lambda values: compute(float(self.value(values)), right(values)))

    def on_numbers_reversed(self: _Number, other: Any) -> Any:
        return _Number(lambda values: compute(float(other), self.value(values)))

    setattr(_Element, f"__{method}__", on_elements)
    setattr(_Element, f"__r{method}__", on_elements_reversed)
    setattr(_Number, f"__{method}__", on_numbers)
    setattr(_Number, f"__r{method}__", on_numbers_reversed)


for _method, _symbol in {"add": "+", "sub": "-", "mul": "*", "truediv": "/"}.items():
    _arithmetic(_method, _symbol)


def _comparison(method: str, symbol: str) -> None:
    def compare(self: _Element, other: Any) -> Any:
        return self.book.line(f"{self.name} {symbol} {self.book.name(other)}")

    setattr(_Element, f"__{method}__", compare)


for _method, _symbol in {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}.items():
    _comparison(_method, _symbol)
_Element.__hash__ = object.__hash__  # type: ignore[method-assign]


class _Names:
    """The functions of the array API that a kernel may call."""

    def __init__(self, book: _Book) -> None:
        self._book = book
        self.finfo = np.finfo

    def _call(self, text: str, *values: Any) -> _Element:
        return self._book.line(text.format(*(self._book.name(v) for v in values)))

    def sqrt(self, x: Any) -> _Element:
        return self._call("sqrt({0})", x)

    def exp(self, x: Any) -> _Element:
        return self._call("exp({0})", x)

    def where(self, flag: Any, x: Any, y: Any) -> _Element:
        return self._call("{1} if {0} else {2}", flag, x, y)

    def maximum(self, x: Any, y: Any) -> _Element:
        return self._call("{0} if {0} >= {1} or {0} != {0} else {1}", x, y)

    def isnan(self, x: Any) -> _Element:
        return self._call("{0} != {0}", x)

    def clip(self, x: Any, low: Any, high: Any) -> _Element:
        return self._call("{1} if {0} < {1} else ({2} if {0} > {2} else {0})", x, low, high)

    def ones_like(self, x: Any) -> _Element:
        return self._call("{0}", 1.0)

    def zeros_like(self, x: Any) -> _Element:
        return self._call("{0}", 0.0)
