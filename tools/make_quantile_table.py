"""Make the quantile table of stream version 1, and print its SHA-256.

|z| = A[segment] + f * B[segment] for the float32 y = m + 1/2, m in [0, 2**31): the exponent of y
and its top 9 mantissa bits choose a segment (33 octaves from 2**-1, of 512), its next 12 mantissa
bits are f. B is rounded to 12 significant bits, so that f * B is exact in float32 and fused and
unfused multiply-add agree. A centres the error that is left, over the y that a segment holds.

Usage: python tools/make_quantile_table.py [--write]
"""

import argparse
import hashlib
import math
from collections import defaultdict
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

OCTAVES, SEGMENTS, STEPS = 33, 512, 4096
EXHAUSTIVE = 17  # below 2**17 every y is looked at, above it a sample of each segment
PATH = Path(__file__).parents[1] / "gradnoise_core" / "random" / "quantile_table_v1.npy"


def magnitude(y: float) -> float:
    """Return -Phi^-1(y / 2**32), for y in (0, 2**31]."""
    return max(-NormalDist().inv_cdf(y / 2.0**32), 0.0)


def points() -> dict[int, list[tuple[int, float]]]:
    """Return the (f, y) at which each segment is fitted."""
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    y = np.arange(1 << EXHAUSTIVE, dtype=np.float32) + np.float32(0.5)
    bits = y.view(np.int32)
    for segment, f, value in zip((bits >> 14) - (126 << 9), bits >> 2 & 4095, y, strict=True):
        found[int(segment)].append((int(f), float(value)))
    for octave in range(EXHAUSTIVE + 1, OCTAVES - 1):
        unit = 2.0 ** (octave - 1) / (SEGMENTS * STEPS)
        for s in range(SEGMENTS):
            start = (SEGMENTS + s) * STEPS
            # Two mantissa bits are below f: 0 and 3/4 are the ends of what they add.
            found[octave * SEGMENTS + s] = [
                (f, (start + f + low) * unit)
                for f in (*range(0, STEPS, 128), STEPS - 1)
                for low in (0.0, 0.75)
            ]
    found[(OCTAVES - 1) * SEGMENTS] = [(0, 2.0**31)]
    return found


def rounded(x: float, bits: int) -> float:
    """Return `x` rounded to so many significant bits."""
    if x == 0.0:
        return 0.0
    scale = 2.0 ** (bits - math.frexp(x)[1])
    return round(x * scale) / scale


def fit(samples: list[tuple[int, float]]) -> tuple[float, float]:
    """Return A and B of a segment."""
    z = [(f, magnitude(y)) for f, y in samples]
    (f0, z0), (f1, z1) = z[0], z[-1]
    b = rounded((z1 - z0) / (f1 - f0), 12) if f1 > f0 else 0.0
    rest = [value - f * b for f, value in z]
    return (min(rest) + max(rest)) / 2.0, b


def table() -> NDArray[np.float32]:
    """Return the float32 array [A, B] of shape (2, 33 * 512)."""
    out = np.zeros((2, OCTAVES * SEGMENTS), dtype=np.float32)
    for segment, samples in points().items():
        out[:, segment] = fit(samples)
    return out


def main() -> None:
    """Print the checksum, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help=f"write {PATH.name}")
    made = table()
    if parser.parse_args().write:
        np.save(PATH, made)
    print("sha256 of the values:", hashlib.sha256(made.astype("<f4").tobytes()).hexdigest())


if __name__ == "__main__":
    main()
