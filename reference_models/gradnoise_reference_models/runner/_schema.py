"""The tables of a store."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects.sqlite import dialect

__all__ = ["APPLICATION", "CURVES", "FORMAT", "METADATA", "STATUSES", "TRIALS", "describe_schema"]

#: What a store says of itself in its header (``PRAGMA application_id``): "gRad" in ASCII.
APPLICATION = int.from_bytes(b"gRad", "big")

#: The version of these tables (``PRAGMA user_version``).
FORMAT = 1

#: How a trial can end. A trial that diverged is a result; one that failed is run again.
STATUSES = ("done", "diverged", "failed")

METADATA = MetaData()

TRIALS = Table(
    "trials",
    METADATA,
    Column("key", Text, primary_key=True, comment="SHA-256 of all that decides the outcome"),
    Column("experiment", Text, nullable=False, comment="its name"),
    Column("version", Integer, nullable=False, comment="of the experiment's code"),
    Column("seed", Integer, nullable=False, comment="of the trial"),
    Column("setting", Text, nullable=False, comment="JSON, with sorted keys"),
    Column("conditions", Text, nullable=False, comment="JSON: backend, dtype, data, stream..."),
    Column("status", Text, nullable=False, comment=", ".join(STATUSES)),
    Column("metrics", Text, nullable=False, comment='JSON; "nan", "inf" and "-inf" are text'),
    Column("error", Text, comment="of a trial that failed: the end of its last traceback"),
    Column("attempts", Integer, nullable=False, comment="how often it was begun in that run"),
    Column("group_size", Integer, nullable=False, comment="trials that trained together"),
    Column("seconds", Float, nullable=False, comment="wall time of the group's last attempt"),
    Column("started", Text, nullable=False, comment="UTC, ISO 8601"),
    Column("finished", Text, nullable=False, comment="UTC, ISO 8601"),
    Column("host", Text, nullable=False, comment="JSON: name, system, machine, cores"),
    Column("versions", Text, nullable=False, comment="JSON: of Python and the libraries in use"),
    CheckConstraint(f"status IN {STATUSES}", name="known_status"),
)

Index("trials_by_experiment", TRIALS.c.experiment, TRIALS.c.status)

CURVES = Table(
    "curves",
    METADATA,
    Column("key", Text, ForeignKey("trials.key"), primary_key=True, comment="of the trial"),
    Column("name", Text, primary_key=True, comment="of the curve"),
    Column("data", LargeBinary, nullable=False, comment="a .npy file, compressed by zlib"),
)


def describe_schema() -> str:
    """Return the tables of a store, their columns, types and meaning, as text.

    Examples
    --------
    >>> print(describe_schema().splitlines()[1])
      key         TEXT     SHA-256 of all that decides the outcome
    """
    lines = []
    for table in METADATA.sorted_tables:
        lines.append(table.name)
        lines += [
            f"  {column.name:11} {column.type.compile(dialect()):8} {column.comment}"
            for column in table.columns
        ]
    return "\n".join(lines)
