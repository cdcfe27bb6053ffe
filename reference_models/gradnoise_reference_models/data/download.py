"""Downloads: nothing reaches its place before its checksum is right."""

import functools
import io
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gradnoise_reference_models._extras import require
from gradnoise_reference_models.data import mnist
from gradnoise_reference_models.data._babi_archive import read_archive
from gradnoise_reference_models.data._babi_find import ARCHIVES, contents
from gradnoise_reference_models.data._babi_find import NAME as BABI
from gradnoise_reference_models.data._babi_find import find as find_babi
from gradnoise_reference_models.data._dataset import DataError
from gradnoise_reference_models.data._gzip import GZIP_MAGIC
from gradnoise_reference_models.data._idx import IdxFile, checked_array, read_idx
from gradnoise_reference_models.data._places import cache_folder
from gradnoise_reference_models.data._text_corpora import NAME as TEXT
from gradnoise_reference_models.data._text_corpora import Corpus, checked_text, existing
from gradnoise_reference_models.data.babi import FILES, URLS, BabiFiles

__all__ = ["download_babi", "download_mnist", "download_text"]

Folder = str | os.PathLike[str] | None
Report = Callable[[str], None]


class _Wanted(NamedTuple):
    """A file to fetch."""

    name: str
    urls: Sequence[str]
    check: Callable[[bytes, object], object]  # raises DataError for bytes that are not the file's
    compressed: bool  # whether `name` says how it is stored; else ".gz" is added where it is


def download_mnist(
    folder: Folder = None,
    *,
    files: Sequence[IdxFile] = mnist.FILES,
    mirrors: Sequence[str] = mnist.MIRRORS,
    report: Report = lambda line: None,
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

    def good(place: Path, file: IdxFile) -> bool:
        path = mnist.existing(place, file)
        return _good(path, lambda p: read_idx(p, file, remedy="It will be replaced."), report)

    http = _downloader(timeout)
    place = mnist.cache_folder() if folder is None else Path(folder).expanduser()
    wanted = [
        _Wanted(
            file.name,
            [f"{mirror.rstrip('/')}/{file.name}.gz" for mirror in mirrors],
            functools.partial(checked_array, file=file),
            compressed=False,
        )
        for file in files
        if not good(place, file)
    ]
    return _downloaded(place, wanted, http, report)


def download_babi(
    folder: Folder = None,
    *,
    files: tuple[BabiFiles, ...] = FILES,
    urls: Sequence[str] = URLS,
    report: Report = lambda line: None,
    timeout: float = 30.0,
) -> Path:
    """Fetch bAbI's archive, from the first address that serves one whose files are all good.

    An archive or unpacked files that are in `folder` already and good are kept. The new archive is
    moved to its place once the SHA-256 of each of its files is right; it is not unpacked.

    Parameters
    ----------
    folder : path, optional
        Where to put it; the cache by default.
    files : tuple of BabiFiles
        What it must hold.
    urls : sequence of str
        Where it is served, tried in order.
    report, timeout
        As for `download_mnist`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If no address serves a good copy (usually: no network), or `folder` cannot be written to.
    ImportError
        If pooch, or platformdirs when `folder` is not given, is not installed.
    """
    http = _downloader(timeout)
    place = cache_folder(BABI) if folder is None else Path(folder).expanduser()
    checksums = {name: sha for file in files for name, sha in file.checksums.items()}
    found = find_babi(place, files=files)[0] if place.is_dir() else None
    if _good(found, lambda path: contents(path, files), report):
        return place

    def check(content: bytes, url: object) -> object:
        return read_archive(io.BytesIO(content), url, checksums)

    # The first name that is looked for, so a bad archive under another one is not found before it.
    return _downloaded(place, [_Wanted(ARCHIVES[0], urls, check, compressed=True)], http, report)


def download_text(
    corpus: Corpus,
    folder: Folder = None,
    *,
    report: Report = lambda line: None,
    timeout: float = 30.0,
) -> Path:
    """Fetch a text in the public domain, from the first address that serves a good copy.

    Parameters
    ----------
    corpus : Corpus
        Which, with its addresses and checksum.
    folder : path, optional
        Where to put it; the cache by default.
    report, timeout
        As for `download_mnist`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If no address serves a good copy (usually: no network), or `folder` cannot be written to.
    ImportError
        If pooch, or platformdirs when `folder` is not given, is not installed.
    """
    check = functools.partial(checked_text, corpus=corpus)
    http = _downloader(timeout)
    place = cache_folder(TEXT) if folder is None else Path(folder).expanduser()
    path = existing(place, corpus)
    wanted = [_Wanted(corpus.file, corpus.urls, check, compressed=False)]
    if _good(path, lambda p: check(p.read_bytes(), p), report):
        wanted = []
    return _downloaded(place, wanted, http, report)


def _downloader(timeout: float) -> Callable[..., object]:
    pooch = require("pooch", purpose="download data")
    # Ask for the bytes as stored: a transfer encoding would be unpacked on the way.
    return pooch.HTTPDownloader(timeout=timeout, headers={"Accept-Encoding": "identity"})


def _good(path: Path | None, read: Callable[[Path], object], report: Report) -> bool:
    if path is None:
        return False
    try:
        read(path)
    except DataError as error:
        report(str(error))
        return False
    report(f"`{path}` is there already")
    return True


def _downloaded(
    place: Path, wanted: Sequence[_Wanted], http: Callable[..., object], report: Report
) -> Path:
    with _staging(place) as stage:
        staged = [(file, _fetch(http, file, Path(stage), report)) for file in wanted]
        for file, path in staged:
            path.replace(place / path.name)
            if not file.compressed:
                # A bad copy under the file's other name would be found first.
                for other in {file.name, f"{file.name}.gz"} - {path.name}:
                    (place / other).unlink(missing_ok=True)
    return place


def _staging(place: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder on the same file system, so that a move is one atomic step."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".download-", dir=place)
    except OSError as error:
        message = f"`{place}` must be a folder that can be written to, got {error}. Name another."
        raise DataError(message) from error


def _fetch(http: Callable[..., object], file: _Wanted, stage: Path, report: Report) -> Path:
    """Return the staged and verified copy of `file`, from the first address that has one."""
    failures = []
    for url in file.urls:
        part = stage / "part"
        try:
            http(url, str(part), None)
            content = part.read_bytes()
            file.check(content, url)
        except OSError as error:  # every error of requests is one
            failures.append(f"`{url}` must be fetched, got {error}.")
        except DataError as error:
            failures.append(str(error))
        else:
            packed = content.startswith(GZIP_MAGIC) and not file.compressed
            report(f"fetched {url}")
            return part.replace(stage / f"{file.name}{'.gz' if packed else ''}")
        report(failures[-1])
    plain = "" if file.compressed else " (plain or .gz)"
    message = (
        f"`{file.name}` must be served intact by one of {len(file.urls)} mirrors. "
        f"{' '.join(failures)} Check the network and run the command again, or put the file"
        f"{plain} into a folder named by {mnist.ENVIRONMENT}."
    )
    raise DataError(message)
