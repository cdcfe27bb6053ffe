"""Downloads: nothing reaches its place before its checksum is right."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from gradnoise_reference_models.data import mnist
from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._extras import require
from gradnoise_reference_models.data._idx import GZIP_MAGIC, IdxFile, checked_array, read_idx

__all__ = ["download_mnist"]


def download_mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    files: Sequence[IdxFile] = mnist.FILES,
    mirrors: Sequence[str] = mnist.MIRRORS,
    report: Callable[[str], None] = lambda line: None,
    timeout: float = 30.0,
) -> Path:
    """Fetch the files of MNIST that `folder` lacks, from the first mirror that serves a good copy.

    A file that is there already and good is kept; a bad one is replaced. The others are staged in a
    hidden folder beside their places and moved once the raw SHA-256 of every one is right: a
    failed or interrupted download leaves nothing behind.

    Parameters
    ----------
    folder : path, optional
        Where to put them; the cache by default.
    files : sequence of IdxFile
        What to fetch.
    mirrors : sequence of str
        Base URLs, tried in order for each file; ``<name>.gz`` is appended.
    report : callable
        Is given one line for each file kept, fetched or refused.
    timeout : float
        Seconds to wait for a mirror to answer.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If no mirror serves a good copy of a file (usually: no network), or `folder` cannot be
        written to.
    ImportError
        If pooch, or platformdirs when `folder` is not given, is not installed.
    """
    pooch = require("pooch", purpose="download data")
    # Ask for the bytes as stored: a transfer encoding would be unpacked on the way.
    http = pooch.HTTPDownloader(timeout=timeout, headers={"Accept-Encoding": "identity"})
    place = mnist.cache_folder() if folder is None else Path(folder).expanduser()
    wanted = [file for file in files if not _good(place, file, report)]
    with _staging(place) as stage:
        staged = [_fetch(http, file, mirrors, Path(stage), report) for file in wanted]
        for file, path in zip(wanted, staged, strict=True):
            path.replace(place / path.name)
            # A bad copy under the file's other name would be found first.
            for other in {file.name, f"{file.name}.gz"} - {path.name}:
                (place / other).unlink(missing_ok=True)
    return place


def _good(place: Path, file: IdxFile, report: Callable[[str], None]) -> bool:
    path = mnist.existing(place, file)
    if path is None:
        return False
    try:
        read_idx(path, file, remedy="It will be replaced.")
    except DataError as error:
        report(str(error))
        return False
    report(f"`{path}` is there already")
    return True


def _staging(place: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder on the same file system, so that a move is one atomic step."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".download-", dir=place)
    except OSError as error:
        message = f"`{place}` must be a folder that can be written to, got {error}. Name another."
        raise DataError(message) from error


def _fetch(
    http: Callable[..., object],
    file: IdxFile,
    mirrors: Sequence[str],
    stage: Path,
    report: Callable[[str], None],
) -> Path:
    """Return the staged and verified copy of `file`, from the first mirror that has one."""
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        part = stage / "part"
        try:
            http(url, str(part), None)
            content = part.read_bytes()
            checked_array(content, url, file)
        except OSError as error:  # every error of requests is one
            failures.append(f"`{url}` must be fetched, got {error}.")
        except DataError as error:
            failures.append(str(error))
        else:
            suffix = ".gz" if content.startswith(GZIP_MAGIC) else ""
            report(f"fetched {url}")
            return part.replace(stage / f"{file.name}{suffix}")
        report(failures[-1])
    message = (
        f"`{file.name}` must be served intact by one of {len(mirrors)} mirrors. "
        f"{' '.join(failures)} Check the network and run the command again, or put the file "
        f"(plain or .gz) into a folder named by {mnist.ENVIRONMENT}."
    )
    raise DataError(message)
