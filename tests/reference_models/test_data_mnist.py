"""MNIST: where it is looked for, what `load` says of it, and the real files where they are."""

import gzip
import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradnoise_reference_models import data
from gradnoise_reference_models._extras import require
from gradnoise_reference_models.data import ClassificationData, DataError, load, mnist
from gradnoise_reference_models.data._idx import IdxFile

SHAPES = {
    "train-images-idx3-ubyte": (5, 3, 2),
    "train-labels-idx1-ubyte": (5,),
    "t10k-images-idx3-ubyte": (4, 3, 2),
    "t10k-labels-idx1-ubyte": (4,),
}


def _raw(shape: tuple[int, ...], start: int) -> bytes:
    header = b"\0\0\x08" + bytes([len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    return header + bytes((start + 51 * i) % 256 for i in range(math.prod(shape)))


RAW = {name: _raw(shape, start) for start, (name, shape) in enumerate(SHAPES.items())}
FILES = tuple(
    IdxFile(name, SHAPES[name], hashlib.sha256(raw).hexdigest()) for name, raw in RAW.items()
)


def write(folder: Path, *, compressed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in RAW.items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(raw, mtime=0))
        else:
            (folder / name).write_bytes(raw)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny files stand for MNIST, the cache is empty, and GRADNOISE_DATA is not set."""
    monkeypatch.delenv("GRADNOISE_DATA", raising=False)
    monkeypatch.setattr(mnist, "cache_folder", lambda: tmp_path / "cache" / "mnist")
    # The registry holds `load` itself, so its default is what must change.
    for function in (mnist.load, mnist.find):
        defaults = {**(function.__kwdefaults__ or {}), "files": FILES}
        monkeypatch.setattr(function, "__kwdefaults__", defaults)
    return tmp_path / "cache" / "mnist"


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("inside", [".", "mnist"])
def test_a_directory_holds_the_files_itself_or_in_a_subfolder(
    tmp_path: Path, cache: Path, compressed: bool, inside: str
) -> None:
    folder = write(tmp_path / "given" / inside, compressed=compressed)
    found = load("mnist", directory=tmp_path / "given")
    assert found.source == str(folder)
    assert found.reason == "asked for by name"


def test_pixels_and_labels_are_those_of_the_files(tmp_path: Path, cache: Path) -> None:
    found = load("mnist", directory=write(tmp_path / "given"))
    for x, y, images, labels in (
        (found.train_x, found.train_y, "train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        (found.test_x, found.test_y, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ):
        assert x.dtype == np.float32
        assert y.dtype == np.int32
        expected = [byte / 255 for byte in RAW[images][16:]]
        np.testing.assert_allclose(x.reshape(-1), expected, rtol=1e-7)
        assert x.shape == (len(y), 6)
        assert y.tolist() == list(RAW[labels][8:])
        assert x.min() >= 0.0
        assert x.max() <= 1.0
    assert found.title == "MNIST, 5 training and 4 test images of 3x2"
    assert (found.name, found.classes) == ("mnist", 10)


def test_the_environment_comes_before_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cache)
    assert load("mnist").source == str(cache)
    monkeypatch.setenv("GRADNOISE_DATA", str(tmp_path / "named"))
    folder = write(tmp_path / "named" / "mnist")
    assert load("mnist").source == str(folder)
    assert load("mnist", directory=cache).source == str(cache)


def test_auto_takes_mnist_where_it_is_found_and_says_where(cache: Path) -> None:
    write(cache)
    found = load()
    assert found.name == "mnist"
    assert found.reason == f"MNIST was found in {cache}; GRADNOISE_DATA is not set"


def test_auto_falls_back_to_digits_and_says_where_it_looked(cache: Path) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    found = load("auto")
    assert found.name == "digits"
    assert found.reason == (
        f"MNIST was not found: GRADNOISE_DATA is not set; the cache {cache} does not exist"
    )


def test_a_data_directory_without_mnist_is_never_passed_over_in_silence(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    named = tmp_path / "named"
    monkeypatch.setenv("GRADNOISE_DATA", str(named))
    assert f"GRADNOISE_DATA={named} does not exist" in load("auto").reason
    named.mkdir()
    assert f"GRADNOISE_DATA={named} holds no MNIST" in load("auto").reason
    (write(named / "mnist") / "t10k-labels-idx1-ubyte.gz").unlink()
    partial = load("auto")
    assert partial.name == "digits"
    lack = f"GRADNOISE_DATA={named} lacks t10k-labels-idx1-ubyte (plain or .gz)"
    assert lack in partial.reason
    write(cache)
    cached = load("auto")
    assert cached.name == "mnist"
    assert cached.reason == f"MNIST was found in {cache}; {lack}"


def test_mnist_by_name_and_not_found_lists_the_places_and_the_command(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADNOISE_DATA", str(tmp_path / "named"))
    with pytest.raises(DataError) as refusal:
        load("mnist")
    text = str(refusal.value)
    assert f"GRADNOISE_DATA={tmp_path / 'named'} does not exist" in text
    assert f"the cache {cache} does not exist" in text
    assert "`gradnoise data download mnist`" in text


@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_a_given_directory_without_mnist_is_refused_whatever_the_cache_holds(
    tmp_path: Path, cache: Path, name: str
) -> None:
    write(cache)
    with pytest.raises(DataError, match=r"`directory` .*wrong does not exist"):
        load(name, directory=tmp_path / "wrong")
    (tmp_path / "wrong").write_text("a file")
    with pytest.raises(DataError, match=r"`directory` .*wrong is not a directory"):
        load(name, directory=tmp_path / "wrong")


@pytest.mark.parametrize("name", ["auto", "mnist"])
@pytest.mark.parametrize("victim", SHAPES)
def test_a_damaged_file_is_refused_by_name_and_not_replaced_by_other_data(
    cache: Path, name: str, victim: str
) -> None:
    path = write(cache) / f"{victim}.gz"
    path.write_bytes(gzip.compress(RAW[victim][:-1] + b"\xff", mtime=0))
    with pytest.raises(DataError) as refusal:
        load(name)
    text = str(refusal.value)
    assert text.startswith(f"`{path}` must have raw bytes of SHA-256 ")
    assert "`gradnoise data download mnist`" in text


def test_images_in_the_place_of_labels_are_refused(cache: Path) -> None:
    write(cache)
    (cache / "train-labels-idx1-ubyte.gz").write_bytes(
        (cache / "train-images-idx3-ubyte.gz").read_bytes()
    )
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz"):
        load("mnist")


def test_unknown_names_and_a_directory_for_digits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`name` must be one of auto, mnist, digits, got 'cifar'"):
        load("cifar")
    with pytest.raises(ValueError, match="`directory` must be None for digits"):
        load("digits", directory=tmp_path)


def test_the_registry_holds_the_names_and_the_downloads_are_among_them() -> None:
    assert list(data.LOADERS) == ["auto", "mnist", "digits"]
    assert set(data.LOADERS) - {"auto"} < set(data.DATA_SETS)
    assert set(data.DOWNLOADERS) == {"mnist", "babi", "war_and_peace", "tiny_shakespeare"}


def test_the_cache_is_the_one_of_platformdirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platformdirs = pytest.importorskip("platformdirs", reason="platformdirs is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert mnist.cache_folder() == Path(platformdirs.user_cache_dir("gradnoise")) / "mnist"


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("sklearn", lambda: load("digits")),
        ("platformdirs", lambda: load("mnist")),
        ("pooch", lambda: data.download_mnist(os.devnull)),
    ],
)
def test_a_missing_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, package: str, call: Any
) -> None:
    _hide(monkeypatch, package)
    monkeypatch.delenv("GRADNOISE_DATA", raising=False)
    with pytest.raises(ImportError, match=rf"`{package}` is needed .*gradnoise-core\[models\]"):
        call()


def _hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Make `package` as if it were not installed."""
    import importlib

    real = importlib.import_module

    def absent(name: str, *args: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", absent)


def test_a_broken_package_is_not_taken_for_a_missing_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_for_a_test.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name") as error:
        require("broken_for_a_test", purpose="fail")
    assert "gradnoise-core" not in str(error.value)


@pytest.fixture(scope="module")
def real() -> ClassificationData:
    """MNIST itself, where GRADNOISE_DATA holds it; a bad file there is an error, not a skip."""
    named = os.environ.get("GRADNOISE_DATA")
    if not named:
        pytest.skip("GRADNOISE_DATA is not set")
    folder, misses = mnist.find(named)
    if folder is None:
        pytest.skip(f"no MNIST: {'; '.join(misses)}")
    return load("mnist", directory=named)


# The figures below were counted from the raw files by other means than this reader.
def test_real_labels(real: ClassificationData) -> None:
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(real.train_y).tolist() == train
    assert np.bincount(real.test_y).tolist() == test
    assert real.train_y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert real.test_y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_real_pixels(real: ClassificationData) -> None:
    for x, n, mean, std in (
        (real.train_x, 60000, 0.13066, 0.30811),
        (real.test_x, 10000, 0.13251, 0.31048),
    ):
        assert x.shape == (n, 784)
        assert x.dtype == np.float32
        assert (x.min(), x.max()) == (0.0, 1.0)
        assert x.mean(dtype=np.float64) == pytest.approx(mean, abs=5e-6)
        assert x.std(dtype=np.float64) == pytest.approx(std, abs=5e-6)


def test_real_title(real: ClassificationData) -> None:
    assert real.title == "MNIST, 60,000 training and 10,000 test images of 28x28"
