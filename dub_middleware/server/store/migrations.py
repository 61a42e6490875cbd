"""The schema's versions: a new database gets the newest at once, an older one every step in between.

To change the schema: change `schema`, append the step that turns the last version into it, never edit an old
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from dub_middleware.errors import StoreError
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.schema import metadata, rollup_state, schema_version

Step = Callable[[sa.Connection], None]


def _remember_deleted_customers(connection: sa.Connection) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE deleted_customers (pk BIGINT PRIMARY KEY, id TEXT NOT NULL UNIQUE)"
    )


def _find_conversions_by_click(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE INDEX events_conversions ON events (click_id, type) WHERE type <> 0")


#: step n turns version n + 1 into n + 2
STEPS: Sequence[Step] = (_remember_deleted_customers, _find_conversions_by_click)

_LOCK = 0x6475_6200  # any number that no other program of the same database uses

# In SQLite one writer at a time gives ids out in the order of commits. In PostgreSQL an id may become visible
# after a higher one; the transaction's own number, below every running one, is a line that nothing can appear
# behind.
_ORDER_OF_COMMITS = (
    "ALTER TABLE events ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()",
    "CREATE INDEX events_xid ON events (xid, id)",
)


def migrate(database: Database, steps: Sequence[Step] = STEPS) -> int:
    """Bring the database to the newest version and return that; several processes may do so at once.

    Raises `StoreError` when the database was written by a newer version of this package.
    """
    newest = len(steps) + 1
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        version = _version(connection)
        if version > newest:
            raise StoreError(
                f"The database has schema version {version}, this dub-middleware knows up to {newest}:"
                " install the newer version again, or use another database."
            )
        if version == 0:
            _create(database, connection)
        else:
            for step in steps[version - 1 :]:
                step(connection)
        if version != newest:
            connection.execute(sa.delete(schema_version))
            connection.execute(sa.insert(schema_version).values(version=newest))
    return newest


def _version(connection: sa.Connection) -> int:
    if not sa.inspect(connection).has_table(schema_version.name):
        return 0
    version: int = connection.execute(sa.select(schema_version.c.version)).scalar_one()
    return version


def _create(database: Database, connection: sa.Connection) -> None:
    metadata.create_all(connection)
    connection.execute(sa.insert(rollup_state).values(only=1, xid=0, id=0))
    if not database.is_sqlite:
        for statement in _ORDER_OF_COMMITS:
            connection.exec_driver_sql(statement)
