"""Downloads, from a server on the loopback interface: only verified files arrive."""

import gzip
import hashlib
import io
import random
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from gradnoise_reference_models.data import (
    DataError,
    babi,
    download_babi,
    download_mnist,
    download_text,
    mnist,
    text,
)
from gradnoise_reference_models.data._idx import IdxFile
from gradnoise_reference_models.data._places import cache_folder

pytest.importorskip("pooch", reason="pooch is not installed")

IMAGES = bytes.fromhex("00000802 00000040 00000040") + random.Random(0).randbytes(64 * 64)
LABELS = bytes.fromhex("00000801 00000003 070809")
FILES = (
    IdxFile("images", (64, 64), hashlib.sha256(IMAGES).hexdigest()),
    IdxFile("labels", (3,), hashlib.sha256(LABELS).hexdigest()),
)
GOOD = {"images.gz": gzip.compress(IMAGES, mtime=0), "labels.gz": gzip.compress(LABELS, mtime=0)}
ALTERED = gzip.compress(LABELS[:-1] + b"\x01", mtime=0)  # intact gzip and IDX, wrong content


class Answer(NamedTuple):
    body: bytes
    length: int | None = None  # what the header claims; the truth by default
    encoding: str | None = None
    stalls: bool = False  # after the body


class Mirror:
    """A server with one folder a mirror; ``pages`` maps "mirror/file" to an answer."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.encodings: set[str | None] = set()
        self.closing = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path.lstrip("/"))
                mirror.encodings.add(self.headers["Accept-Encoding"])
                answer = mirror.pages.get(self.path.lstrip("/"))
                if answer is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                length = len(answer.body) if answer.length is None else answer.length
                self.send_header("Content-Length", str(length))
                if answer.encoding:
                    self.send_header("Content-Encoding", answer.encoding)
                self.end_headers()
                self.wfile.write(answer.body)
                self.wfile.flush()
                if answer.stalls:
                    mirror.closing.wait(10)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}/"

    def serve(self, name: str, **changes: Answer) -> str:
        """Serve good files under `name`, but for `changes`; return the base URL."""
        for file, body in GOOD.items():
            self.pages[f"{name}/{file}"] = changes.get(file.removesuffix(".gz"), Answer(body))
        return self.url(name)

    def close(self) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Mirror()
    yield server
    server.close()


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_good_files_arrive_as_served(mirror: Mirror, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "cache"
    lines: list[str] = []
    url = mirror.serve("first")
    made = download_mnist(folder, files=FILES, mirrors=[url], report=lines.append)
    assert made == folder
    assert held(folder) == GOOD
    assert mirror.encodings == {"identity"}  # the bytes as stored, not packed once more
    assert lines == [f"fetched {url}images.gz", f"fetched {url}labels.gz"]


def test_the_cache_is_the_default_folder(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "cache_folder", lambda: tmp_path / "mnist")
    assert download_mnist(files=FILES, mirrors=[mirror.serve("first")]) == tmp_path / "mnist"
    assert mnist.find(tmp_path, files=FILES) == (tmp_path / "mnist", ())


REFUSED = {
    "truncated body": (
        Answer(GOOD["labels.gz"][:-4], len(GOOD["labels.gz"])),
        "must be fetched, got ('Connection broken",
    ),
    "cut file": (Answer(GOOD["labels.gz"][:-4]), "must be an intact gzip file"),
    "wrong checksum": (Answer(ALTERED), "must have raw bytes of SHA-256"),
    "a page of HTML": (Answer(b"<html>Log in</html>"), "must begin with 00 00 08"),
    "stalled": (Answer(b"\x1f", 100, stalls=True), "Read timed out"),
    "empty": (Answer(b""), "got an empty file"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_first_mirror_spoils_the_second_supplies(
    mirror: Mirror, tmp_path: Path, kind: str
) -> None:
    answer, why = REFUSED[kind]
    mirrors = [mirror.serve("first", labels=answer), mirror.serve("second")]
    lines: list[str] = []
    download_mnist(tmp_path, files=FILES, mirrors=mirrors, report=lines.append, timeout=0.5)
    assert held(tmp_path) == GOOD
    assert mirror.asked == ["first/images.gz", "first/labels.gz", "second/labels.gz"]
    refusals = [line for line in lines if line.startswith(f"`{mirrors[0]}labels.gz` must ")]
    assert len(refusals) == 1
    assert why in refusals[0]


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_every_mirror_spoils_leaves_nothing_behind(
    mirror: Mirror, tmp_path: Path, kind: str
) -> None:
    answer, why = REFUSED[kind]
    mirrors = [mirror.serve("first", labels=answer), mirror.serve("second", labels=answer)]
    with pytest.raises(DataError, match="`labels` must be served intact by one of 2") as refusal:
        download_mnist(tmp_path, files=FILES, mirrors=mirrors, timeout=0.5)
    assert str(refusal.value).count(why) == 2
    assert held(tmp_path) == {}


def test_mirrors_that_are_down_are_all_named(mirror: Mirror, tmp_path: Path) -> None:
    down = mirror.url("missing")
    closed = Mirror()
    closed.close()  # nothing listens on its port any more
    with pytest.raises(DataError) as refusal:
        download_mnist(tmp_path, files=FILES, mirrors=[down, closed.url("x")])
    text = str(refusal.value)
    assert f"`{down}images.gz` must be fetched, got 404" in text
    assert f"`{closed.url('x')}images.gz` must be fetched, got " in text
    assert "Check the network" in text
    assert held(tmp_path) == {}


def test_good_files_are_kept_and_bad_ones_replaced(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(IMAGES)
    (tmp_path / "labels").write_bytes(LABELS[:-1])
    lines: list[str] = []
    download_mnist(tmp_path, files=FILES, mirrors=[mirror.serve("first")], report=lines.append)
    # The bad plain copy would be read before the good compressed one, so it must be gone.
    assert held(tmp_path) == {"images": IMAGES, "labels.gz": GOOD["labels.gz"]}
    assert mirror.asked == ["first/labels.gz"]
    assert lines[0] == f"`{tmp_path / 'images'}` is there already"
    assert lines[1].startswith(f"`{tmp_path / 'labels'}` must have 11 bytes")


def test_a_failed_download_touches_nothing_that_was_there(mirror: Mirror, tmp_path: Path) -> None:
    before = {"labels": LABELS[:-1], "notes.txt": b"mine"}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError):
        download_mnist(tmp_path, files=FILES, mirrors=[mirror.url("missing")])
    assert held(tmp_path) == before


def test_an_interrupted_download_leaves_nothing_behind(mirror: Mirror, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_mnist(tmp_path, files=FILES, mirrors=[mirror.serve("first")], report=interrupt)
    assert held(tmp_path) == {}


def test_a_mirror_that_unpacks_on_the_way_is_understood(mirror: Mirror, tmp_path: Path) -> None:
    answer = Answer(GOOD["labels.gz"], encoding="gzip")
    download_mnist(tmp_path, files=FILES, mirrors=[mirror.serve("first", labels=answer)])
    assert held(tmp_path) == {"images.gz": GOOD["images.gz"], "labels": LABELS}


def test_a_folder_that_cannot_be_made_is_found_out_before_anything_is_fetched(
    mirror: Mirror, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=re.escape(f"`{tmp_path / 'file'}` must be a folder")):
        download_mnist(tmp_path / "file", files=FILES, mirrors=[mirror.serve("first")])
    assert mirror.asked == []


def test_the_table_of_mirrors_is_usable() -> None:
    assert len(mnist.MIRRORS) == 2
    assert all(url.startswith("https://") and url.endswith("/mnist/") for url in mnist.MIRRORS)


# --- bAbI -------------------------------------------------------------------

STORIES = {
    f"qa1_tiny_{part}.txt": f"1 It is {part}.\n2 What is it?\t{part}\t1\n".encode()
    for part in ("train", "test")
}
BABI = (
    babi.BabiFiles(1, "tiny", *(hashlib.sha256(text).hexdigest() for text in STORIES.values())),
)


def archive(stories: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in stories.items():
            info = tarfile.TarInfo(f"tasks_1-20_v1-2/en/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


GOOD_ARCHIVE = archive(STORIES)
BAD_ARCHIVE = archive({name: content.replace(b"is", b"be") for name, content in STORIES.items()})


def offer(mirror: Mirror, **answers: Answer) -> list[str]:
    """Serve an archive at each address; return the addresses."""
    mirror.pages.update({f"{name}/b.tar.gz": answer for name, answer in answers.items()})
    return [f"{mirror.url(name)}b.tar.gz" for name in answers]


def test_a_good_archive_arrives_as_served_and_is_found(mirror: Mirror, tmp_path: Path) -> None:
    lines: list[str] = []
    urls = offer(mirror, first=Answer(GOOD_ARCHIVE))
    folder = download_babi(tmp_path / "new", files=BABI, urls=urls, report=lines.append)
    assert folder == tmp_path / "new"
    assert held(folder) == {"tasks_1-20_v1-2.tar.gz": GOOD_ARCHIVE}
    assert lines == [f"fetched {urls[0]}"]
    assert babi.load(1, folder, files=BABI).train.y.tolist() == [3]
    download_babi(folder, files=BABI, urls=[], report=lines.append)
    assert lines[-1] == f"`{folder / 'tasks_1-20_v1-2.tar.gz'}` is there already"


SPOILED = {
    "wrong content": (Answer(BAD_ARCHIVE), "must have raw bytes of SHA-256"),
    "cut": (Answer(GOOD_ARCHIVE[:60]), "must be an intact .tar.gz archive"),
    "a page of HTML": (Answer(b"<html>Gone</html>"), "must be an intact .tar.gz archive"),
    "truncated body": (Answer(GOOD_ARCHIVE[:60], len(GOOD_ARCHIVE)), "must be fetched"),
    "stalled": (Answer(b"\x1f", 100, stalls=True), "Read timed out"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_an_archive_that_one_address_spoils_comes_from_the_next(
    mirror: Mirror, tmp_path: Path, kind: str
) -> None:
    answer, why = SPOILED[kind]
    lines: list[str] = []
    urls = offer(mirror, first=answer, second=Answer(GOOD_ARCHIVE))
    download_babi(tmp_path, files=BABI, urls=urls, report=lines.append, timeout=0.5)
    assert held(tmp_path) == {"tasks_1-20_v1-2.tar.gz": GOOD_ARCHIVE}
    assert lines[0].startswith(f"`{urls[0]}` m")
    assert why in lines[0]


@pytest.mark.parametrize("kind", SPOILED)
def test_an_archive_that_every_address_spoils_leaves_what_was_there(
    mirror: Mirror, tmp_path: Path, kind: str
) -> None:
    before = {"tasks_1-20_v1-2.tar.gz": BAD_ARCHIVE, "notes.txt": b"mine"}
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    urls = offer(mirror, first=SPOILED[kind][0])
    with pytest.raises(DataError, match=r"`tasks_1-20_v1-2\.tar\.gz` must be served intact by one"):
        download_babi(tmp_path, files=BABI, urls=urls, timeout=0.5)
    assert held(tmp_path) == before


def test_a_bad_archive_under_any_name_is_no_longer_found(mirror: Mirror, tmp_path: Path) -> None:
    urls = offer(mirror, first=Answer(GOOD_ARCHIVE))
    for name in babi.ARCHIVES:
        (tmp_path / name).write_bytes(BAD_ARCHIVE)
        download_babi(tmp_path, files=BABI, urls=urls)
        assert babi.load(1, tmp_path, files=BABI).source.endswith("tasks_1-20_v1-2.tar.gz")
        (tmp_path / babi.ARCHIVES[0]).unlink()


def test_unpacked_files_that_are_good_are_kept(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    for name, content in STORIES.items():
        (tmp_path / "en" / name).write_bytes(content)
    lines: list[str] = []
    download_babi(tmp_path, files=BABI, urls=[], report=lines.append)
    assert lines == [f"`{tmp_path / 'en'}` is there already"]


# --- texts ------------------------------------------------------------------

TEXT = b"One two. Three four.\n"


def corpus(*urls: str) -> text.Corpus:
    digest = hashlib.sha256(TEXT).hexdigest()
    return text.Corpus("one", "One", "one.txt", len(TEXT), digest, urls, 100)


@pytest.mark.parametrize("packed", [True, False])
def test_a_text_arrives_as_served(mirror: Mirror, tmp_path: Path, packed: bool) -> None:
    body = gzip.compress(TEXT, mtime=0) if packed else TEXT
    [bad, good] = offer(mirror, first=Answer(TEXT[:-1]), second=Answer(body))
    other = tmp_path / ("one.txt" if packed else "one.txt.gz")
    other.write_bytes(b"bad")
    lines: list[str] = []
    download_text(corpus(bad, good), tmp_path, report=lines.append)
    assert held(tmp_path) == {"one.txt.gz" if packed else "one.txt": body}
    assert lines[0].startswith(f"`{other}` must ")
    assert lines[1].startswith(f"`{bad}` must have raw bytes of SHA-256")
    assert lines[2:] == [f"fetched {good}"]
    lines.clear()
    download_text(corpus(), tmp_path, report=lines.append)
    assert lines == [f"`{tmp_path / ('one.txt.gz' if packed else 'one.txt')}` is there already"]


def test_a_text_that_is_nowhere_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`one\.txt` must be served intact.*\(plain or \.gz\)"):
        download_text(corpus(f"{mirror.url('x')}one.txt"), tmp_path)
    assert held(tmp_path) == {}


def test_the_cache_has_a_folder_for_each_kind(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("platformdirs", reason="platformdirs is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    [url] = offer(mirror, first=Answer(GOOD_ARCHIVE))
    place = download_babi(files=BABI, urls=[url])
    assert place == cache_folder("babi")
    assert place.name == "babi"
    [url] = offer(mirror, first=Answer(TEXT))
    assert download_text(corpus(url)) == cache_folder("text")


def test_every_address_of_a_file_is_on_the_web() -> None:
    urls = [*babi.URLS, *(url for found in text.CORPORA for url in found.urls)]
    assert len(urls) == 5
    assert all(re.fullmatch(r"https?://[\w.-]+/.+\.(tar\.gz|txt)", url) for url in urls)
