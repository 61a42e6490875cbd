"""Write through the caller's own connection, so that an order and its event commit or roll back together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Dialect = Literal["sqlite", "postgresql"]

_PLACEHOLDERS = {"qmark": "?", "format": "%s", "pyformat": "%s"}
_DRIVERS: dict[str, Dialect] = {"sqlite3": "sqlite", "psycopg": "postgresql", "psycopg2": "postgresql"}


class Execute(Protocol):
    """Run one statement, written with ``?`` as the placeholder, and return its rows."""

    def __call__(self, statement: str, parameters: Sequence[Any] = (), /) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class Guest:
    """A connection that the outbox may use but does not own; ``dialect`` is None where it cannot be known."""

    dialect: str | None
    execute: Execute


def guest(connection: Any, placeholder: str) -> Guest:
    """Return a way into the transaction of ``connection``.

    Takes a SQLAlchemy Session or Connection, Django's ``connection``, or a DB-API connection (sqlite3,
    psycopg, psycopg2). None of them is imported: they are told apart by what they offer.
    ``placeholder`` is for a driver that is none of these. Raises TypeError for what is no connection.
    """
    if callable(getattr(connection, "connection", None)) and hasattr(connection, "get_bind"):
        connection = connection.connection()  # a SQLAlchemy Session
    if hasattr(connection, "exec_driver_sql"):
        return _sqlalchemy(connection)
    if not callable(getattr(connection, "cursor", None)):
        raise TypeError(
            "connection must be a DB-API, SQLAlchemy or Django connection, or a SQLAlchemy Session, "
            f"not {type(connection).__name__}"
        )
    if hasattr(connection, "vendor") and hasattr(connection, "in_atomic_block"):
        return Guest(connection.vendor, _dbapi(connection, "%s"))  # Django translates for every database
    # __class__ and not type(): tracing tools wrap connections in proxies
    modules = {cls.__module__.partition(".")[0] for cls in connection.__class__.__mro__}
    dialect = next((_DRIVERS[module] for module in modules if module in _DRIVERS), None)
    if dialect is not None:
        placeholder = "?" if dialect == "sqlite" else "%s"
    return Guest(dialect, _dbapi(connection, placeholder))


def _sqlalchemy(connection: Any) -> Guest:
    # through SQLAlchemy, not past it: it must know of the statement to begin and to commit
    placeholder = _PLACEHOLDERS.get(connection.dialect.paramstyle)
    if placeholder is None:
        raise TypeError(
            f"connection has the driver {connection.dialect.driver}, whose placeholders are not supported"
        )

    def execute(statement: str, parameters: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        result = connection.exec_driver_sql(statement.replace("?", placeholder), tuple(parameters))
        return [tuple(row) for row in result] if result.returns_rows else []

    return Guest(connection.dialect.name, execute)


def _dbapi(connection: Any, placeholder: str) -> Execute:
    def execute(statement: str, parameters: Sequence[Any] = (), /) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        try:
            cursor.execute(statement.replace("?", placeholder), tuple(parameters))
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    return execute
