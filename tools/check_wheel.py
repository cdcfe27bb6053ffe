"""Build the wheel and the sdist, and try the wheel in a bare environment.

The wheel must hold exactly the three packages, each with ``py.typed`` and the table, and work in a
fresh venv without torch, JAX or CuPy, away from the sources.
"""

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {"gradnoise_core", "gradnoise_backends", "gradnoise_reference_models"}
TRY = """
import sys
import gradnoise_core as gn
known = {"torch", "jax", "cupy", "tensorflow", "optax", "keras", "scipy", "sklearn"}
assert not known & set(sys.modules), known & set(sys.modules)
import numpy as np
from gradnoise_core.oracle import check_stream_bits
from gradnoise_core.backend import backend_for
assert check_stream_bits(backend_for(np)).passed
from gradnoise_core.oracle.vectors import check_vectors, published_vectors
assert check_vectors(published_vectors()).passed
optimizer = gn.noisy(gn.adam(1e-3), clip=1.0, seed=1)
params = {"w": np.ones((3, 2), np.float32)}
updates, state = optimizer.update(params, optimizer.init(params), params)
assert gn.apply_updates(params, updates)["w"].dtype == np.float32
print("wheel works:", gn.__name__)
"""


def run(*command: object, cwd: Path | None = None) -> str:
    """Run a command and return what it printed; show it and stop if it fails."""
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_contents(wheel: Path) -> None:
    """Refuse a wheel with another top-level name, or without typing markers and table."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name.split("/")[0]}
    if tops != PACKAGES:
        sys.exit(f"{wheel.name} holds {sorted(tops)}, not {sorted(PACKAGES)}")
    needed = {f"{package}/py.typed" for package in PACKAGES}
    needed.add("gradnoise_core/random/quantile_table_v1.npy")
    vectors = "gradnoise_core/oracle/vectors"
    needed |= {f"{vectors}/schema.json", f"{vectors}/v1/manifest.json"}
    if missing := needed - set(names):
        sys.exit(f"{wheel.name} lacks {sorted(missing)}")


def main() -> None:
    """Build, look inside, install and use."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        run(sys.executable, "-m", "build", "--outdir", out, ROOT)
        (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
        run(Path(sys.executable).parent / "check-wheel-contents", wheel, cwd=ROOT)
        check_contents(wheel)
        venv.create(out / "venv", with_pip=True)
        python = out / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", wheel)
        print(run(python, "-c", TRY, cwd=out).strip())
        print(f"built {wheel.name} and {sdist.name}")


if __name__ == "__main__":
    main()
