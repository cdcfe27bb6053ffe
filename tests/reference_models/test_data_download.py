"""Downloads, from a server on the loopback interface: only verified files arrive."""

import gzip
import hashlib
import random
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from gradnoise_reference_models.data import DataError, download_mnist, mnist
from gradnoise_reference_models.data._idx import IdxFile

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
