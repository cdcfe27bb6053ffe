"""How the backend of an array is found: by name, through entry points, when first needed."""

import importlib.metadata
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import Library

from gradnoise_core import backend as module
from gradnoise_core.backend import GROUP, Backend, backend_for, backend_of, registered
from gradnoise_core.random import _leaves, _normal, key, standard_normal

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ("torch", "jax", "cupy", "optax", "keras", "tensorflow", "array_api_strict", "equinox")

#: What `import gradnoise_core` loads beyond NumPy and the standard library.
LOADED = {"array_api_compat", "gradnoise_core", "optree", "typing_extensions"}


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Forget which backends were found before, for one test."""
    monkeypatch.setattr(module, "_BY_NAME", {})
    monkeypatch.setattr(module, "_BY_TYPE", {})
    return monkeypatch


def _namespace(name: str) -> types.ModuleType:
    """Return NumPy under another name: a library that nobody has heard of."""
    made = types.ModuleType(name)
    made.__dict__.update({k: v for k, v in np.__dict__.items() if not k.startswith("__")})
    made.astype = lambda x, dtype, copy=True: x.astype(dtype, copy=copy)  # type: ignore[attr-defined]
    return made


class TestLookup:
    def test_of_an_array_is_that_of_its_library(self, library: Library) -> None:
        assert backend_of(library.array([1.0])) is library.backend
        assert library.backend.name == library.name.removesuffix("-cuda")

    def test_of_a_scalar_of_numpy_is_numpy_s(self) -> None:
        assert backend_of(np.float32(1)).name == "numpy"

    @pytest.mark.parametrize("thing", [1.0, [1.0], "text", None])
    def test_of_what_is_no_array_is_refused(self, thing: Any) -> None:
        with pytest.raises(TypeError):
            backend_of(thing)

    @pytest.mark.parametrize("name", ["numpy", "torch", "cupy"])
    def test_of_a_wrapped_namespace_is_that_of_the_library(
        self, empty_registry: pytest.MonkeyPatch, name: str
    ) -> None:
        empty_registry.setattr(module, "registered", dict)
        assert backend_for(types.ModuleType(f"array_api_compat.{name}")).name == name

    def test_of_a_submodule_is_that_of_the_library(self) -> None:
        jax = pytest.importorskip("jax")
        assert backend_for(jax.numpy).name == "jax"


class TestDefault:
    def test_is_what_an_unregistered_library_gets(self) -> None:
        strict = pytest.importorskip("array_api_strict")
        assert "array_api_strict" not in registered()
        found = backend_of(strict.ones(1))
        assert found == Backend(name="array_api_strict", namespace=found.namespace)

    def test_draws_the_same_normals(self, empty_registry: pytest.MonkeyPatch) -> None:
        unheard = _namespace("unheardof")
        assert backend_for(unheard) == Backend(name="unheardof", namespace=unheard)
        found = standard_normal(key(3), (4, 5), xp=unheard)
        assert np.array_equal(found, standard_normal(key(3), (4, 5)))

    def test_does_nothing_where_a_backend_may_do_something(self) -> None:
        plain = Backend(name="numpy", namespace=np)
        x = np.ones(3)
        assert plain.jit(len) is len
        assert plain.traced(x) is False
        assert plain.joins() is False
        for name in ("draw", "elementwise", "leaf_keys", "sharding"):
            assert getattr(plain, name) is None
        assert np.array_equal(plain.from_host(x), x)


class TestPlugIn:
    """Anyone can plug in a backend: an entry point of the group, named for the namespace."""

    def test_is_found_by_the_name_of_the_namespace(
        self, empty_registry: pytest.MonkeyPatch
    ) -> None:
        namespace = _namespace("plugged")
        plugin = types.ModuleType("plugged_backend")
        plugin.backend = Backend(name="plugged", namespace=namespace)  # type: ignore[attr-defined]
        empty_registry.setitem(sys.modules, "plugged_backend", plugin)
        entry = importlib.metadata.EntryPoint("plugged", "plugged_backend:backend", GROUP)
        empty_registry.setattr(module, "registered", lambda: {"plugged": entry})
        assert backend_for(namespace) is plugin.backend

    def test_is_read_from_installed_distributions(
        self, tmp_path: Path, empty_registry: pytest.MonkeyPatch
    ) -> None:
        info = tmp_path / "plugged-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\nplugged = nowhere_at_all:backend\n")
        empty_registry.syspath_prepend(tmp_path)
        fresh = registered.__wrapped__()
        assert fresh["plugged"].value == "nowhere_at_all:backend"
        # Listed, but imported only when an array of it turns up: then the error is not hidden.
        empty_registry.setattr(module, "registered", lambda: fresh)
        assert backend_for(np).name == "numpy"
        with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
            backend_for(_namespace("plugged"))

    def test_ours_are_those_of_the_project_file(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        declared = project["entry-points"][GROUP]
        assert declared == {n: f"gradnoise_backends.{n}:backend" for n in declared}
        assert {n: registered()[n].value for n in declared} == declared


def _loaded(code: str) -> set[str]:
    """Return the top-level modules that `code` loads in a fresh interpreter, beyond NumPy's."""
    report = "print('loaded:', *{m.partition('.')[0] for m in set(sys.modules) - before})"
    program = f"import sys, numpy; before = set(sys.modules)\n{code}\n{report}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split()) - set(sys.stdlib_module_names)


class TestImports:
    def test_core_loads_no_framework(self) -> None:
        found = _loaded("import gradnoise_core")
        assert not found & set(FRAMEWORKS)
        assert not found - LOADED, "a new import costs every user: is it needed?"

    def test_listing_the_backends_loads_none(self) -> None:
        found = _loaded("from gradnoise_core.backend import registered; registered()")
        assert not found - LOADED

    def test_noise_on_numpy_loads_the_backend_of_numpy_alone(self) -> None:
        code = (
            "import gradnoise_core as gn\n"
            "optimizer = gn.noisy(gn.adam(1e-3), clip=1.0, seed=1)\n"
            "grads = {'w': numpy.ones((3, 2), 'float32')}\n"
            "optimizer.update(grads, optimizer.init(grads), grads)\n"
            "assert not [m for m in sys.modules if m in ('gradnoise_backends.jax',"
            " 'gradnoise_backends.torch', 'gradnoise_backends.cupy')]"
        )
        assert not _loaded(code) & set(FRAMEWORKS)

    @pytest.mark.parametrize("framework", ["array_api_strict", "torch"])
    def test_the_check_can_fail(self, tmp_path: Path, framework: str) -> None:
        # A stand-in for the framework: what is seen is the import, whatever it takes.
        (tmp_path / f"{framework}.py").write_text("")
        code = f"sys.path.insert(0, {str(tmp_path)!r}); import gradnoise_core, {framework}"
        assert _loaded(code) - LOADED == {framework}


def test_devices_need_not_be_hashable() -> None:
    """CuPy's are not."""

    class Device:
        __hash__ = None  # type: ignore[assignment]

        def __repr__(self) -> str:
            return "<odd device 0>"

    odd = Backend(
        name="odd", namespace=np, device=lambda _: Device(), asarray=lambda a, _: np.asarray(a)
    )
    words = np.arange(-3, 3, dtype=np.int32)
    plain = Backend(name="numpy", namespace=np)
    expected = _normal.defined_quantile(plain, words)
    assert np.array_equal(_normal.defined_quantile(odd, words), expected)
    keys = _leaves.leaf_keys(1, ("a", "b"), 0, "d")
    drawn = [
        _leaves.joined_normals(keys, (3, 2), backend, device)
        for backend, device in ((odd, Device()), (plain, None))
    ]
    assert np.array_equal(drawn[0], drawn[1])
