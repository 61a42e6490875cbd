"""Customers: who signed up or bought, known by the caller's own id of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from dub_middleware.errors import ConflictError
from dub_middleware.server.store.engine import Database, Driver
from dub_middleware.server.store.ids import new_id
from dub_middleware.server.store.models import Customer, CustomerDetails, from_ms, to_ms
from dub_middleware.server.store.prepared import Prepared
from dub_middleware.server.store.schema import customers, deleted_customers, links

MAX_MS = 2**53  # milliseconds, behind every moment

_NAMES = (
    (
        "Brave",
        "Bright",
        "Calm",
        "Clever",
        "Eager",
        "Gentle",
        "Happy",
        "Jolly",
        "Kind",
        "Lively",
        "Quick",
        "Wise",
    ),
    ("Amber", "Azure", "Coral", "Crimson", "Emerald", "Golden", "Indigo", "Ivory", "Jade", "Ruby", "Silver"),
    (
        "Badger",
        "Crane",
        "Dolphin",
        "Falcon",
        "Fox",
        "Heron",
        "Koala",
        "Lynx",
        "Otter",
        "Owl",
        "Panda",
        "Raven",
    ),
)


class Customers:
    """The customers table."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._known = KnownCustomers(database)
        self._now = now

    def get(self, customer_id: str) -> Customer | None:
        return self._one(customers.c.id == customer_id)

    def get_by_external_id(self, external_id: str) -> Customer | None:
        return self._one(customers.c.external_id == external_id)

    def create(
        self, details: CustomerDetails, *, country: str | None = None, created_at: datetime | None = None
    ) -> Customer:
        """Add a customer that came through no link. Raises `ConflictError` with field ``external_id``."""
        at = self._now() if created_at is None else to_ms(created_at)
        customer, is_new = self._database.record(
            lambda raw: self._known.add(raw, details, at, country=country)
        )
        if not is_new:
            raise ConflictError("external_id", details.external_id)
        return customer

    def update(self, customer_id: str, changes: Mapping[str, str | None]) -> Customer | None:
        """Change ``external_id``, ``name``, ``email``, ``avatar`` or ``country``.

        Raises `ConflictError` when another customer has that external id.
        """
        if unknown := sorted(changes.keys() - {"external_id", "name", "email", "avatar", "country"}):
            raise TypeError(f"{unknown[0]!r} of a customer cannot be changed.")
        if changes:
            try:
                with self._database.write() as connection:
                    connection.execute(
                        sa.update(customers).where(customers.c.id == customer_id).values(dict(changes))
                    )
            except sa.exc.IntegrityError as error:
                raise ConflictError("external_id", str(changes.get("external_id"))) from error
        return self.get(customer_id)

    def delete(self, customer_id: str) -> bool:
        """Forget a customer; their events stay, with the id and without a name."""
        with self._database.write() as connection:
            gone = sa.delete(customers).where(customers.c.id == customer_id).returning(customers.c.pk)
            pk = connection.execute(gone).scalar()
            if pk is not None:
                connection.execute(sa.insert(deleted_customers).values(pk=pk, id=customer_id))
        return pk is not None

    def page(
        self,
        *,
        search: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        country: str | None = None,
        link_id: str | None = None,
        has_bought: bool | None = None,
        sort_by: Literal["created_at", "sale_amount", "first_sale_at"] = "created_at",
        descending: bool = True,
        limit: int = 100,
        offset: int = 0,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> list[Customer]:
        """One page of customers; ``search`` looks into name, e-mail and both ids.

        ``has_bought`` leaves those with a sale, or those without.
        ``starting_after`` and ``ending_before`` are ids of customers, as in `Links.page`. Raises
        `LookupError` when there is no such customer.
        """
        exact = {"email": email, "external_id": external_id, "country": country}
        where = _conditions(search, link_id=link_id, has_bought=has_bought, **exact)
        # "no sale yet" comes last in either direction, on both databases
        value: sa.ColumnElement[Any] = sa.func.coalesce(customers.c[sort_by], -1 if descending else MAX_MS)
        backwards = ending_before is not None
        with self._database.read() as connection:
            if (anchor := ending_before or starting_after) is not None:
                place = connection.execute(
                    sa.select(value, customers.c.pk).where(customers.c.id == anchor)
                ).first()
                if place is None:
                    raise LookupError(f"There is no customer {anchor!r}.")
                here, there = sa.tuple_(value, customers.c.pk), sa.tuple_(*map(sa.literal, place))
                where.append(here < there if descending != backwards else here > there)
            order = [
                column.desc() if descending != backwards else column.asc()
                for column in (value, customers.c.pk)
            ]
            statement = _select().where(*where).order_by(*order).limit(limit).offset(offset)
            found = [_customer(row) for row in connection.execute(statement).mappings()]
        return found[::-1] if backwards else found

    def count(
        self,
        *,
        search: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        country: str | None = None,
        link_id: str | None = None,
        has_bought: bool | None = None,
    ) -> int:
        exact = {"email": email, "external_id": external_id, "country": country}
        where = _conditions(search, link_id=link_id, has_bought=has_bought, **exact)
        joined = customers.outerjoin(links, links.c.pk == customers.c.link)
        with self._database.read() as connection:
            statement = sa.select(sa.func.count()).select_from(joined).where(*where)
            return connection.execute(statement).scalar_one()

    def _one(self, where: sa.ColumnElement[bool]) -> Customer | None:
        with self._database.read() as connection:
            row = connection.execute(_select().where(where)).mappings().first()
            return None if row is None else _customer(row)


class KnownCustomers:
    """Finding and adding customers while something of theirs is recorded."""

    def __init__(self, database: Database) -> None:
        insert = database.insert(customers).on_conflict_do_nothing(index_elements=["external_id"])
        self._insert = Prepared(database, insert, _COLUMNS, key=customers.c.pk)
        self._find = Prepared(database, _BY_EXTERNAL_ID)
        self._lock = Prepared(database, _BY_EXTERNAL_ID.with_for_update(of=customers))

    def find(self, raw: Driver, external_id: str, *, for_update: bool = False) -> Customer | None:
        """The customer with the caller's id; ``for_update`` makes a second sale of theirs wait."""
        statement = self._lock if for_update else self._find
        row = statement.first(raw, {"wanted": external_id})
        return None if row is None else _customer(row)

    def add(
        self,
        raw: Driver,
        details: CustomerDetails,
        at: int,
        *,
        click: Mapping[Any, Any] | None = None,
        link_id: str | None = None,
        country: str | None = None,
    ) -> tuple[Customer, bool]:
        """Add a customer, or find the one another transaction added meanwhile; say whether it is new.

        ``link_id`` is the id of the click's link.
        """
        came_by = click or _NO_CLICK
        row = {
            "id": new_id("cus"),
            "external_id": details.external_id,
            "name": details.name or details.email or random_name(),
            "email": details.email,
            "avatar": details.avatar,
            "country": country,
            "created_at": at,
            "click_id": came_by["click_id"],
            "link": came_by["link"],
            "clicked_at": came_by["ts"],
        }
        pk = self._insert.insert(raw, row)
        if pk is not None:
            return _customer({**row, "pk": pk, "link_id": link_id}), True
        customer = self.find(raw, details.external_id)
        if customer is None:
            raise ConflictError("external_id", details.external_id)  # deleted in this very moment
        return customer, False


def load_customers(connection: sa.Connection, pks: Iterable[int | None]) -> dict[int, Customer]:
    """The customers with these numbers."""
    wanted = sorted({pk for pk in pks if pk is not None})
    if not wanted:
        return {}
    rows = connection.execute(_select().where(customers.c.pk.in_(wanted))).mappings()
    return {row["pk"]: _customer(row) for row in rows}


def load_deleted(connection: sa.Connection, pks: Collection[int]) -> dict[int, str]:
    """The ids of those who had these numbers and were deleted."""
    if not pks:
        return {}
    wanted = sa.select(deleted_customers).where(deleted_customers.c.pk.in_(pks))
    return {row.pk: row.id for row in connection.execute(wanted)}


def random_name() -> str:
    """A name for someone who gave none, as Dub makes them: "Gentle Amber Heron"."""
    return " ".join(map(secrets.choice, _NAMES))


def _conditions(
    search: str | None, *, link_id: str | None, has_bought: bool | None, **exact: str | None
) -> list[sa.ColumnElement[bool]]:
    where = [customers.c[name] == value for name, value in exact.items() if value is not None]
    if link_id is not None:
        where.append(links.c.id == link_id)
    if has_bought is not None:
        where.append(customers.c.sales > 0 if has_bought else customers.c.sales == 0)
    if search:
        texts = (customers.c.name, customers.c.email, customers.c.external_id, customers.c.id)
        where.append(sa.or_(*(text.icontains(search, autoescape=True) for text in texts)))
    return where


def _select() -> sa.Select[Any]:
    joined = customers.outerjoin(links, links.c.pk == customers.c.link)
    return sa.select(customers, links.c.id.label("link_id")).select_from(joined)


_BY_EXTERNAL_ID = _select().where(customers.c.external_id == sa.bindparam("wanted"))
_NO_CLICK: Mapping[str, Any] = {"click_id": None, "link": None, "ts": None}
_COLUMNS = (
    *("id", "external_id", "name", "email", "avatar", "country", "created_at"),
    *("click_id", "link", "clicked_at"),
)


def _customer(row: Mapping[Any, Any]) -> Customer:
    values = dict(row)
    values["link_pk"] = values.pop("link")
    for name in ("clicked_at", "first_sale_at", "created_at"):
        if values.get(name) is not None:
            values[name] = from_ms(values[name])
    return Customer(**values)
