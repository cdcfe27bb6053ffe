"""All results in one SQLite file: written as they finish, and read meanwhile."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DatabaseError

from gradnoise_core.typing import Array
from gradnoise_reference_models.runner._database import StoreError, open_engine
from gradnoise_reference_models.runner._frozen import canonical
from gradnoise_reference_models.runner._outcome import decode_curve
from gradnoise_reference_models.runner._record import Record, record_of
from gradnoise_reference_models.runner._schema import CURVES, STATUSES, TRIALS
from gradnoise_reference_models.runner._settled import Settled

__all__ = ["DEFAULT_STORE", "Store"]

#: Where results go if nobody says otherwise; relative to the working directory.
DEFAULT_STORE = Path("results") / "gradnoise.sqlite"

#: Keys a question: SQLite takes a limited number of them.
_MANY = 500


class Store:
    """The results of trials, in one SQLite file.

    Of a trial the first result is kept, for ever; only one that failed is replaced. A result is on
    the disk when `add` returns. Any number of processes may read while one writes.

    Parameters
    ----------
    path : path
        The file. It is made, with its folder, unless it is only to be read.
    read_only : bool
        Open a store that is there, and never write.

    Raises
    ------
    StoreError
        If the file cannot be opened, or is no store of a format that this version knows.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "r.sqlite") as store:
    ...     store.records()
    []
    """

    def __init__(
        self, path: str | os.PathLike[str] = DEFAULT_STORE, *, read_only: bool = False
    ) -> None:
        self.path = Path(path)
        if read_only and not self.path.exists():
            message = f"{self.path} does not exist: there are no results yet. Name another file."
            raise StoreError(message)
        self._engine = open_engine(self.path, read_only=read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._engine.dispose()

    @property
    def work(self) -> Path:
        """The folder of what is under way, such as checkpoints: the file's name and ``.work``."""
        return self.path.with_name(f"{self.path.name}.work")

    def finished(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys that have a result, be it that the trial diverged."""
        query = select(TRIALS.c.key).where(TRIALS.c.status != "failed")
        with self._reading() as connection:
            return {
                key
                for some in _batches(keys)
                for (key,) in connection.execute(query.where(TRIALS.c.key.in_(some)))
            }

    def add(self, settled: Iterable[Settled]) -> int:
        """Write results, all or none of them; return how many were not there before.

        Raises
        ------
        StoreError
            If they cannot be written. None of them is stored then, and the store is as it was.
        """
        try:
            with self._engine.begin() as connection:
                return sum(_add(connection, one) for one in settled)
        except DatabaseError as error:
            # After a disk that was full, SQLite's own state is not to be relied on.
            self._engine.dispose()
            message = f"{self.path} cannot be written ({error.orig})."
            raise StoreError(message) from error

    def records(
        self,
        *,
        experiment: str | None = None,
        status: str | None = None,
        where: Mapping[str, Any] | None = None,
        keys: Iterable[str] | None = None,
        curves: bool = False,
    ) -> list[Record]:
        """Return the stored trials that are asked for, by experiment, setting and seed.

        Parameters
        ----------
        experiment, status : str, optional
        where : mapping, optional
            Values that the setting must have, or else the conditions, as ``{"eta": 0.01}``.
        keys : iterable of str, optional
            Of the trials; the first letters of a key are enough.
        curves : bool
            Read the curves too.

        Raises
        ------
        ValueError
            If there is no such status.
        StoreError
            If the file cannot be read.
        """
        if status is not None and status not in STATUSES:
            message = f"`status` must be one of {', '.join(STATUSES)}, got {status!r}."
            raise ValueError(message)
        query = select(TRIALS).order_by(TRIALS.c.experiment, TRIALS.c.setting, TRIALS.c.seed)
        if experiment is not None:
            query = query.where(TRIALS.c.experiment == experiment)
        if status is not None:
            query = query.where(TRIALS.c.status == status)
        starts = None if keys is None else tuple(keys)
        with self._reading() as connection:
            found = [record_of(dict(row), {}) for row in connection.execute(query).mappings()]
            chosen = [r for r in found if _wanted(r, where or {}, starts)]
            if curves:
                _read_curves(connection, {record.key: record.curves for record in chosen})
        return chosen

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DatabaseError as error:
            message = f"{self.path} cannot be read ({error.orig})."
            raise StoreError(message) from error


def _add(connection: Connection, settled: Settled) -> int:
    """Insert a row, or put it in the place of a failure; a result that is there stays."""
    row = settled.row
    statement = upsert(TRIALS).values(row)
    statement = statement.on_conflict_do_update(
        index_elements=[TRIALS.c.key],
        set_={name: statement.excluded[name] for name in row},
        where=TRIALS.c.status == "failed",
    )
    if not connection.execute(statement).rowcount:
        return 0
    curves = [{"key": row["key"], "name": n, "data": d} for n, d in settled.curves.items()]
    if curves:  # of a failure there are none, so none is in the way
        connection.execute(insert(CURVES), curves)
    return 1


def _read_curves(connection: Connection, into: Mapping[str, dict[str, Array]]) -> None:
    query = select(CURVES).order_by(CURVES.c.key, CURVES.c.name)
    for some in _batches(into):
        for key, name, data in connection.execute(query.where(CURVES.c.key.in_(some))):
            into[key][name] = decode_curve(data)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    keys = list(keys)
    return (keys[i : i + _MANY] for i in range(0, len(keys), _MANY))


def _wanted(record: Record, where: Mapping[str, Any], starts: tuple[str, ...] | None) -> bool:
    """Return whether a record has the values and the key that are asked for.

    Values are compared as JSON, so that 1 is 1.0 and not True.
    """
    if starts is not None and not record.key.startswith(starts):
        return False
    values = {**record.conditions, **record.setting}
    return all(
        name in values and canonical(name, values[name]) == canonical(name, value)
        for name, value in where.items()
    )
