"""``python -m benchmarks``, from the root of the repository: the same as ``gradnoise bench``."""

from gradnoise_reference_models.cli.bench import bench

__all__: list[str] = []

if __name__ == "__main__":
    bench(prog_name="python -m benchmarks")
