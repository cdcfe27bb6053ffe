"""Opening the SQLite file of a store, so that a commit is on the disk when it returns."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.schema import CreateIndex, CreateTable

from gradnoise_reference_models.runner._schema import APPLICATION, FORMAT, METADATA

__all__ = ["StoreError", "open_engine"]

#: Seconds to wait for another process that is writing.
_BUSY = 60.0


class StoreError(OSError):
    """A store that cannot be opened, read or written: the file, the reason, the remedy."""


def open_engine(path: Path, *, read_only: bool) -> Engine:
    """Return an engine on the store at `path`, which is made unless it is only to be read."""
    engine = create_engine(_url(path, read_only=read_only), connect_args={"timeout": _BUSY})
    event.listen(engine, "connect", _read_setup if read_only else _write_setup)
    try:
        if read_only:
            with engine.connect() as connection:
                _check(path, connection)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with engine.begin() as connection:
                _make(path, connection)
    except (DatabaseError, OSError) as error:
        engine.dispose()
        if isinstance(error, StoreError):
            raise
        reason = error.orig if isinstance(error, DatabaseError) else error
        message = f"{path} cannot be opened as a store of results ({reason}). Name another file."
        raise StoreError(message) from error
    return engine


def _url(path: Path, *, read_only: bool) -> URL:
    name = f"file:{quote(str(path.absolute()))}"
    query = {"mode": "ro" if read_only else "rwc", "uri": "true"}
    return URL.create("sqlite", database=name, query=query)


def _read_setup(connection: sqlite3.Connection, _: Any) -> None:
    connection.execute("PRAGMA query_only = ON")


def _write_setup(connection: sqlite3.Connection, _: Any) -> None:
    # With WAL others read while one writes; FULL makes a commit outlive a power cut.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _make(path: Path, connection: Connection) -> None:
    """Make what is missing: a process may have been killed in the midst of this."""
    # Before anything is read, so that of two processes one waits for the other.
    connection.execute(text("BEGIN IMMEDIATE"))
    names = set(inspect(connection).get_table_names())
    if _pragma(connection, "application_id") == APPLICATION:
        _check(path, connection)
        return
    if names:
        message = f"{path} is another program's database, no store of results. Name another file."
        raise StoreError(message)
    for table in METADATA.sorted_tables:
        connection.execute(CreateTable(table))
        for index in table.indexes:
            connection.execute(CreateIndex(index))
    connection.execute(text(f"PRAGMA user_version = {FORMAT}"))
    connection.execute(text(f"PRAGMA application_id = {APPLICATION}"))


def _check(path: Path, connection: Connection) -> None:
    if _pragma(connection, "application_id") != APPLICATION:
        if not inspect(connection).get_table_names():  # it is being made, or was to be
            message = f"{path} is empty: there are no results yet."
            raise StoreError(message)
        message = f"{path} is no store of results. Name another file."
        raise StoreError(message)
    found = _pragma(connection, "user_version")
    if found != FORMAT:
        message = (
            f"{path} has format {found} of the store, and this version reads format {FORMAT}. "
            "Use the version of gradnoise-core that wrote it, or another file."
        )
        raise StoreError(message)


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
