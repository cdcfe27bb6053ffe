"""The stream as Triton kernels: cipher, table and sum in one pass over the elements.

The sum must be that of two roundings, of ``sigma * z`` and of ``g + ...``, though compilers like
to contract them into one. Triton has a switch against it, which Inductor drops from launches that
it takes over. So the sign of z is put on after the product, by an exclusive or of its bits, which
is exact: between the product and the sum then stands an integer operation, and no contraction
reaches across one, whatever the switch says.
"""

import triton
import triton.language as tl

__all__ = ["draw_leaves", "draw_range"]


@triton.jit(do_not_specialize=["sigma", "k0", "k1", "first"])
def draw_range(
    out: tl.tensor,
    g: tl.tensor,
    sigma: tl.tensor,
    k0: tl.tensor,
    k1: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    first: tl.tensor,
    n: tl.tensor,
    blocks: tl.tensor,
    ODD: tl.constexpr,
    KEYED: tl.constexpr,
    SPREAD: tl.constexpr,
    HALF: tl.constexpr,
) -> None:
    """Write n normals a row, or ``g + sigma * z``, from word `ODD` of the block `first` on.

    With `KEYED` k0 and k1 point to one key a row; with `SPREAD` of 0 or 1 sigma points to its
    value, of that stride. A program draws `HALF` blocks of the cipher, two words each.
    """
    row = (tl.program_id(0) // blocks).to(tl.int64)
    part = (tl.program_id(0) % blocks).to(tl.int64)
    if KEYED:
        k0, k1 = tl.load(k0 + row), tl.load(k1 + row)
    counter = first.to(tl.int64) + part * HALF + tl.arange(0, HALF)
    magnitude, sign = _quantile(tl.interleave(*_threefry(k0, k1, counter)), a, b)
    at = part * (2 * HALF) - ODD + tl.arange(0, 2 * HALF)
    inside = (at >= 0) & (at < n)
    at += row * n
    if g is None:
        tl.store(out + at, _signed(magnitude, sign), mask=inside)
    else:
        x = tl.load(g + at, mask=inside)
        if SPREAD >= 0:
            sigma = tl.load(sigma + row * SPREAD)
        if x.dtype == tl.float64:
            total = x + _signed(sigma * magnitude.to(tl.float64), sign)
        else:
            total = x.to(tl.float32) + _signed(sigma * magnitude, sign)
        tl.store(out + at, total.to(x.dtype), mask=inside)


@triton.jit
def draw_leaves(
    out: tl.tensor,
    k0: tl.tensor,
    k1: tl.tensor,
    leaf: tl.tensor,
    index: tl.tensor,
    a: tl.tensor,
    b: tl.tensor,
    n: tl.tensor,
    leaves: tl.tensor,
    blocks: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """Write the normal of element ``index[i]`` of leaf ``leaf[i]``, n a row, `leaves` keys a row."""
    row = (tl.program_id(0) // blocks).to(tl.int64)
    at = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    key = row * leaves + tl.load(leaf + at, mask=inside, other=0)
    i = tl.load(index + at, mask=inside, other=0).to(tl.uint64)  # of 64 bits, unsigned
    first, second = _threefry(tl.load(k0 + key), tl.load(k1 + key), i >> 1)
    magnitude, sign = _quantile(tl.where(i & 1 == 0, first, second), a, b)
    tl.store(out + row * n + at, _signed(magnitude, sign), mask=inside)


@triton.jit
def _threefry(k0: tl.tensor, k1: tl.tensor, counter: tl.tensor) -> tl.tensor:
    """Return the two uint32 words of each 64-bit counter."""
    k0, k1 = k0.to(tl.uint32), k1.to(tl.uint32)
    k2 = k0 ^ k1 ^ 0x1BD11BDA
    x0 = (counter >> 32).to(tl.uint32) + k0
    x1 = counter.to(tl.uint32) + k1
    x0, x1 = _rounds(x0, x1, 13, 15, 26, 6)
    x0, x1 = _rounds(x0 + k1, x1 + k2 + 1, 17, 29, 16, 24)
    x0, x1 = _rounds(x0 + k2, x1 + k0 + 2, 13, 15, 26, 6)
    x0, x1 = _rounds(x0 + k0, x1 + k1 + 3, 17, 29, 16, 24)
    x0, x1 = _rounds(x0 + k1, x1 + k2 + 4, 13, 15, 26, 6)
    return x0 + k2, x1 + k0 + 5


@triton.jit
def _rounds(
    x0: tl.tensor, x1: tl.tensor, A: tl.constexpr, B: tl.constexpr, C: tl.constexpr, D: tl.constexpr
) -> tl.tensor:
    x0, x1 = _round(x0, x1, A)
    x0, x1 = _round(x0, x1, B)
    x0, x1 = _round(x0, x1, C)
    return _round(x0, x1, D)


@triton.jit
def _round(x0: tl.tensor, x1: tl.tensor, R: tl.constexpr) -> tl.tensor:
    x0 += x1
    return x0, x0 ^ ((x1 << R) | (x1 >> (32 - R)))


@triton.jit
def _quantile(word: tl.tensor, a: tl.tensor, b: tl.tensor) -> tl.tensor:
    """Return the magnitude of each word's normal, and its sign bit in a uint32."""
    m = word.to(tl.int32, bitcast=True)
    m = m ^ (m >> 31)
    bits = (m.to(tl.float32) + 0.5).to(tl.int32, bitcast=True)
    segment = (bits >> 14) - (126 << 9)
    f = ((bits >> 2) & 4095).to(tl.float32)
    # f * b is exact, so that it does not matter whether this is contracted.
    magnitude = tl.load(a + segment) + f * tl.load(b + segment)
    # Words with the top bit clear are the negative half.
    return magnitude, (word & 0x80000000) ^ 0x80000000


@triton.jit
def _signed(x: tl.tensor, sign: tl.tensor) -> tl.tensor:
    """Return x with its sign flipped where `sign` has the top bit set."""
    if x.dtype == tl.float64:
        flipped = x.to(tl.uint64, bitcast=True) ^ (sign.to(tl.uint64) << 32)
    else:
        flipped = x.to(tl.uint32, bitcast=True) ^ sign
    return flipped.to(x.dtype, bitcast=True)
