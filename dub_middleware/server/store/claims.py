"""Who was first within a window: keys that a constraint of the database gives to one caller only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from dub_middleware.server.store.engine import Database, Driver
from dub_middleware.server.store.prepared import Prepared
from dub_middleware.server.store.schema import click_claims, lead_claims, sale_claims

CLICK_WINDOW = 60 * 60 * 1000  # milliseconds
LEAD_WINDOW = SALE_WINDOW = 7 * 24 * 60 * 60 * 1000

_FIRST_CLICK = sa.select(click_claims.c.click_id).where(
    click_claims.c.link == sa.bindparam("link"),
    click_claims.c.identity == sa.bindparam("identity"),
    click_claims.c.ts > sa.bindparam("after"),
)
_ANSWER = sa.select(sale_claims.c.answer).where(
    sale_claims.c.invoice_id == sa.bindparam("invoice_id"), sale_claims.c.ts > sa.bindparam("after")
)
_KEEP_ANSWER = (
    sa.update(sale_claims)
    .where(sale_claims.c.invoice_id == sa.bindparam("invoice"))
    .values(answer=sa.bindparam("told"))
)
_RELEASE_SALE = sa.delete(sale_claims).where(sale_claims.c.invoice_id == sa.bindparam("invoice_id"))


class Claims:
    """Clicks by visitor and link, leads by customer and name, sales by invoice."""

    def __init__(self, database: Database) -> None:
        self._click = _taking(database, click_claims)
        self._lead = _taking(database, lead_claims)
        self._sale = _taking(database, sale_claims)
        self._first_click = Prepared(database, _FIRST_CLICK)
        self._answer = Prepared(database, _ANSWER)
        self._keep_answer = Prepared(database, _KEEP_ANSWER)
        self._release_sale = Prepared(database, _RELEASE_SALE)

    def click(self, raw: Driver, link: int, identity: str, click_id: str, ts: int) -> str | None:
        """None when the claim is ours, else the click id of the visitor's first click of the hour."""
        row = {"link": link, "identity": identity, "click_id": click_id, "ts": ts}
        if _takes(raw, self._click, row, CLICK_WINDOW):
            return None
        return self.first_click(raw, link, identity, ts)

    def first_click(self, raw: Driver, link: int, identity: str, ts: int) -> str | None:
        """The click id that holds the claim."""
        key = {"link": link, "identity": identity, "after": ts - CLICK_WINDOW}
        row = self._first_click.first(raw, key)
        return None if row is None else str(row["click_id"])

    def lead(self, raw: Driver, external_id: str, event_name: str, ts: int) -> bool:
        """Say whether this customer's lead of that name, compared without case, is a new one."""
        name = event_name.lower().replace(" ", "-")
        row = {"customer_external_id": external_id, "event_name": name, "ts": ts}
        return _takes(raw, self._lead, row, LEAD_WINDOW)

    def sale(self, raw: Driver, invoice_id: str, ts: int) -> bool:
        """Say whether the invoice is a new one; of several at once, the others wait for the first to end."""
        row = {"invoice_id": invoice_id, "answer": None, "ts": ts}
        return _takes(raw, self._sale, row, SALE_WINDOW)

    def sale_answer(self, raw: Driver, invoice_id: str, ts: int) -> tuple[bool, Mapping[str, Any] | None]:
        """Say whether the invoice is known, and what its first caller was told."""
        key = {"invoice_id": invoice_id, "after": ts - SALE_WINDOW}
        row = self._answer.first(raw, key)
        return row is not None, None if row is None else row["answer"]

    def keep_answer(self, raw: Driver, invoice_id: str, answer: Mapping[str, Any] | None) -> None:
        self._keep_answer.run(raw, {"invoice": invoice_id, "told": answer})

    def release_sale(self, raw: Driver, invoice_id: str) -> None:
        self._release_sale.run(raw, {"invoice_id": invoice_id})


def _taking(database: Database, table: sa.Table) -> Prepared:
    """The statement that takes a key unless it was taken within the window."""
    insert = database.insert(table)
    key = [column.name for column in table.primary_key]
    taking = insert.on_conflict_do_update(
        index_elements=key,
        set_={
            column.name: insert.excluded[column.name] for column in table.columns if column.name not in key
        },
        where=table.c.ts <= sa.bindparam("expired"),
    )
    return Prepared(database, taking, [column.name for column in table.columns])


def _takes(raw: Driver, taking: Prepared, row: Mapping[str, Any], window: int) -> bool:
    return taking.changes(raw, {**row, "expired": row["ts"] - window})
