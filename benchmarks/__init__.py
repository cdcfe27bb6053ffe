"""Our time, memory and first call beside those of peers, in one run: ``python -m benchmarks``."""
