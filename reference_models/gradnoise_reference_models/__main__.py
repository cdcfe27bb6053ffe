"""The command ``gradnoise``, also ``python -m gradnoise_reference_models``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say which extra it needs."""
    try:
        from gradnoise_reference_models.cli import cli
    except ModuleNotFoundError as error:
        if error.name not in ("click", "filelock", "rich", "sqlalchemy", "threadpoolctl"):
            raise
        message = (
            f"The command `gradnoise` needs {error.name}, which is not installed. Install the "
            'extra: pip install "gradnoise-core[models]"'
        )
        sys.exit(message)
    cli(prog_name="gradnoise")


if __name__ == "__main__":
    main()
