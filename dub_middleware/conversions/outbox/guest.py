"""Write through the caller's own connection, so that an order and its event commit or roll back together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Execute(Protocol):
    def __call__(self, statement: str, parameters: Sequence[Any] = (), /) -> list[tuple[Any, ...]]: ...


def executor(connection: Any, placeholder: str) -> Execute:
    """Return ``execute(statement, parameters) -> rows`` inside the transaction of ``connection``.

    Takes a SQLAlchemy Session or Connection, Django's ``connection``, or a DB-API connection (sqlite3,
    psycopg). None of them is imported: they are told apart by what they offer.
    """
    if callable(getattr(connection, "connection", None)) and hasattr(connection, "get_bind"):
        connection = connection.connection()  # a SQLAlchemy Session
    if hasattr(connection, "exec_driver_sql"):  # a SQLAlchemy Connection; it must know of the statement to
        return _sqlalchemy(connection, placeholder)  # begin and to commit
    if hasattr(connection, "vendor") and hasattr(connection, "in_atomic_block"):
        placeholder = "%s"  # Django translates for every database
    if not callable(getattr(connection, "cursor", None)):
        raise TypeError(
            "connection must be a DB-API, SQLAlchemy or Django connection, or a SQLAlchemy Session, "
            f"not {type(connection).__name__}"
        )
    return _dbapi(connection, placeholder)


def has_tables(execute: Execute, *, postgres: bool) -> bool:
    """Whether the outbox's tables are there, asked inside the caller's transaction."""
    if postgres:
        return execute("SELECT to_regclass('dub_outbox_schema')")[0][0] is not None
    return bool(execute("SELECT 1 FROM sqlite_master WHERE name = 'dub_outbox_schema'"))


def _sqlalchemy(connection: Any, placeholder: str) -> Execute:
    def execute(statement: str, parameters: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        result = connection.exec_driver_sql(statement.replace("?", placeholder), tuple(parameters))
        return [tuple(row) for row in result] if result.returns_rows else []

    return execute


def _dbapi(connection: Any, placeholder: str) -> Execute:
    def execute(statement: str, parameters: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        try:
            cursor.execute(statement.replace("?", placeholder), tuple(parameters))
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    return execute
