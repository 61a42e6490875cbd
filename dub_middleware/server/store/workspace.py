"""What belongs to the workspace as a whole: settings, domains, tags, folders, API keys."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from dub_middleware.errors import ConflictError
from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.ids import new_id, random_text
from dub_middleware.server.store.models import ApiKey, Domain, Folder, Settings, Tag, from_ms, to_ms
from dub_middleware.server.store.schema import api_keys, domains, folders, link_tags, links, settings, tags

T = TypeVar("T")
KeyKind = Literal["secret", "publishable"]
RECENT = 1.0  # seconds that a busy caller may go on with what it has read

PREFIXES: Mapping[KeyKind, str] = {"secret": "dub_", "publishable": "dub_pk_"}


class Workspace:
    """Settings, domains, tags and folders."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now
        self._recent: dict[Callable[[], Any], tuple[float, Any]] = {}

    def recent_settings(self) -> Settings:
        """`settings`, not read again within a second; a change made by this process shows at once."""
        return self._recently(self.settings)

    def recent_domains(self) -> list[Domain]:
        """`domains`, in the same way."""
        return self._recently(self.domains)

    def settings(self) -> Settings:
        """The settings as they are now. The workspace gets its id when they are read for the first time."""
        with self._database.read() as connection:
            stored = self._stored(connection)
        if "workspace_id" not in stored:
            with self._database.write() as connection:
                born = {"workspace_id": new_id("ws"), "created_at": self._now()}
                for name, value in born.items():
                    insert = self._database.insert(settings).values(name=name, value=value)
                    connection.execute(insert.on_conflict_do_nothing())
                stored = self._stored(connection)
        values = stored | {"created_at": from_ms(stored["created_at"])}
        if "allowed_hostnames" in values:
            values["allowed_hostnames"] = tuple(values["allowed_hostnames"])
        known = {item.name for item in dataclasses.fields(Settings)}
        return Settings(**{name: value for name, value in values.items() if name in known})

    def change_settings(self, **changes: Any) -> Settings:
        """Store some of `Settings`' fields and return them all."""
        known = {item.name for item in dataclasses.fields(Settings)} - {"workspace_id", "created_at"}
        if unknown := sorted(changes.keys() - known):
            raise TypeError(f"The workspace has no setting {unknown[0]!r}.")
        with self._database.write() as connection:
            for name, value in changes.items():
                plain = list(value) if isinstance(value, tuple) else value
                insert = self._database.insert(settings).values(name=name, value=plain)
                connection.execute(
                    insert.on_conflict_do_update(
                        index_elements=["name"], set_={"value": insert.excluded.value}
                    )
                )
        self._recent.clear()
        return self.settings()

    def value(self, name: str, default: Callable[[], Any]) -> Any:
        """A value of the server's own (a signing secret), made by ``default`` once for all processes."""
        name = f"_{name}"
        chosen = sa.select(settings.c.value).where(settings.c.name == name)
        with self._database.read() as connection:
            row = connection.execute(chosen).first()
        if row is not None:
            return row[0]
        with self._database.write() as connection:
            insert = self._database.insert(settings).values(name=name, value=default())
            connection.execute(insert.on_conflict_do_nothing())
            return connection.execute(chosen).scalar_one()

    def keep_value(self, name: str, value: Any) -> None:
        """Replace such a value; a power cut may bring back the one before."""
        insert = self._database.insert(settings).values(name=f"_{name}", value=value)
        with self._database.write(durable=False) as connection:
            connection.execute(
                insert.on_conflict_do_update(index_elements=["name"], set_={"value": insert.excluded.value})
            )

    def domains(self) -> list[Domain]:
        """All short domains, the primary one first."""
        statement = sa.select(domains).order_by(domains.c.is_primary.desc(), domains.c.slug)
        with self._database.read() as connection:
            rows = connection.execute(statement).mappings()
            return [Domain(**{**row, "created_at": from_ms(row["created_at"])}) for row in rows]

    def add_domain(self, slug: str, *, primary: bool = False, **details: Any) -> Domain:
        """Add a short domain. Raises `ConflictError` with field ``slug``."""
        slug = slug.lower()
        with self._database.write() as connection:
            if primary:
                connection.execute(sa.update(domains).values(is_primary=False))
            row = {"slug": slug, "is_primary": primary, "details": details, "created_at": self._now()}
            insert = self._database.insert(domains).values(row).on_conflict_do_nothing()
            if connection.execute(insert.returning(domains.c.slug)).first() is None:
                raise ConflictError("slug", slug)
        self._recent.clear()
        return next(domain for domain in self.domains() if domain.slug == slug)

    def update_domain(self, slug: str, *, new_slug: str | None = None, **details: Any) -> Domain | None:
        """Change some details, or the name, which its links follow; None when there is no such domain.

        Raises `ConflictError` with field ``slug``.
        """
        name = (new_slug or slug).lower()
        try:
            with self._database.write() as connection:
                mine = domains.c.slug == slug
                stored = connection.execute(sa.select(domains.c.details).where(mine)).first()
                if stored is None:
                    return None
                changed = sa.update(domains).where(mine)
                connection.execute(changed.values(slug=name, details={**stored.details, **details}))
                connection.execute(sa.update(links).where(links.c.domain == slug).values(domain=name))
        except sa.exc.IntegrityError as error:
            raise ConflictError("slug", name) from error
        self._recent.clear()
        return next((domain for domain in self.domains() if domain.slug == name), None)

    def delete_domain(self, slug: str) -> bool:
        """Remove a domain and every link on it."""
        with self._database.write() as connection:
            mine = sa.select(links.c.pk).where(links.c.domain == slug)
            connection.execute(sa.delete(link_tags).where(link_tags.c.link.in_(mine)))
            connection.execute(sa.delete(links).where(links.c.domain == slug))
            gone = connection.execute(sa.delete(domains).where(domains.c.slug == slug)).rowcount
        self._recent.clear()
        return bool(gone)

    def tags(self) -> list[Tag]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(tags.c.id, tags.c.name, tags.c.color).order_by(tags.c.name))
            return [Tag(**row) for row in rows.mappings()]

    def add_tag(self, name: str, color: str) -> Tag:
        """Raises `ConflictError` with field ``name``."""
        tag = Tag(id=new_id("tag"), name=name, color=color)
        self._add(tags, dataclasses.asdict(tag))
        return tag

    def update_tag(self, tag_id: str, *, name: str | None = None, color: str | None = None) -> Tag | None:
        """Raises `ConflictError` with field ``name``."""
        changes = {key: value for key, value in (("name", name), ("color", color)) if value is not None}
        self._change(tags, tag_id, changes)
        return next((tag for tag in self.tags() if tag.id == tag_id), None)

    def delete_tag(self, tag_id: str) -> bool:
        with self._database.write() as connection:
            pk = connection.execute(sa.delete(tags).where(tags.c.id == tag_id).returning(tags.c.pk)).scalar()
            connection.execute(sa.delete(link_tags).where(link_tags.c.tag == pk))
        return pk is not None

    def folders(self) -> list[Folder]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(folders).order_by(folders.c.name))
            return [Folder(**row) for row in rows.mappings()]

    def add_folder(
        self, name: str, *, access_level: str | None = None, description: str | None = None
    ) -> Folder:
        """Raises `ConflictError` with field ``name``."""
        folder = Folder(id=new_id("fold"), name=name, access_level=access_level, description=description)
        self._add(folders, dataclasses.asdict(folder))
        return folder

    def update_folder(self, folder_id: str, **changes: Any) -> Folder | None:
        """Change any of its fields but the id. Raises `ConflictError` with field ``name``."""
        self._change(folders, folder_id, changes)
        return next((folder for folder in self.folders() if folder.id == folder_id), None)

    def delete_folder(self, folder_id: str) -> bool:
        """Remove a folder; its links stay."""
        with self._database.write() as connection:
            connection.execute(sa.update(links).where(links.c.folder_id == folder_id).values(folder_id=None))
            return bool(connection.execute(sa.delete(folders).where(folders.c.id == folder_id)).rowcount)

    def _recently(self, read: Callable[[], T]) -> T:
        now = time.monotonic()
        until, value = self._recent.get(read, (0.0, None))
        if until <= now:
            value = read()
            self._recent[read] = (now + RECENT, value)
        kept: T = value
        return kept

    def _stored(self, connection: sa.Connection) -> dict[str, Any]:
        return {row.name: row.value for row in connection.execute(sa.select(settings))}

    def _add(self, table: sa.Table, row: Mapping[str, Any]) -> None:
        with self._database.write() as connection:
            insert = self._database.insert(table).values(row).on_conflict_do_nothing()
            if connection.execute(insert.returning(table.c.id)).first() is None:
                raise ConflictError("name", row["name"])

    def _change(self, table: sa.Table, row_id: str, changes: Mapping[str, Any]) -> None:
        if not changes:
            return
        try:
            with self._database.write() as connection:
                connection.execute(sa.update(table).where(table.c.id == row_id).values(dict(changes)))
        except sa.exc.IntegrityError as error:
            raise ConflictError("name", str(changes.get("name"))) from error


class Keys:
    """API keys: only their SHA-256 is stored, the key itself is shown once."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now

    def create(
        self,
        kind: KeyKind = "secret",
        *,
        name: str = "default",
        key: str | None = None,
        scopes: Collection[str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[str, ApiKey]:
        """Return a new key and its record; a ``key`` given is stored once, however often it is given."""
        key = key or PREFIXES[kind] + random_text(24)
        row = {
            "id": new_id("key"),
            "kind": kind,
            "name": name,
            "hint": f"{key[:6]}...{key[-4:]}" if len(key) >= 16 else "...",
            "hash": _digest(key),
            "scopes": None if scopes is None else sorted(scopes),
            "created_at": self._now(),
            "expires_at": None if expires_at is None else to_ms(expires_at),
        }
        with self._database.write() as connection:
            insert = self._database.insert(api_keys).values(row)
            connection.execute(insert.on_conflict_do_nothing(index_elements=["hash"]))
            stored = self._find(connection, key)
        assert stored is not None
        return key, stored

    def find(self, key: str) -> ApiKey | None:
        """The record of a key somebody sent, expired ones too."""
        with self._database.read() as connection:
            return self._find(connection, key)

    def all(self) -> list[ApiKey]:
        statement = sa.select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(statement).mappings()]

    def delete(self, key_id: str) -> bool:
        with self._database.write() as connection:
            return bool(connection.execute(sa.delete(api_keys).where(api_keys.c.id == key_id)).rowcount)

    def touch(self, ids: Sequence[str]) -> None:
        """Note that these keys were used just now."""
        with self._database.write(durable=False) as connection:
            used = sa.update(api_keys).where(api_keys.c.id.in_(ids))
            connection.execute(used.values(last_used_at=self._now()))

    def _find(self, connection: sa.Connection, key: str) -> ApiKey | None:
        statement = sa.select(api_keys).where(api_keys.c.hash == _digest(key))
        row = connection.execute(statement).mappings().first()
        return None if row is None else _key(row)


def _digest(key: str) -> str:
    # a key has 142 bits of its own: a slow hash would guard nothing, and cost every request
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Mapping[Any, Any]) -> ApiKey:
    values = {name: row[name] for name in row if name != "hash"}
    values["scopes"] = None if row["scopes"] is None else tuple(row["scopes"])
    for name in ("created_at", "expires_at", "last_used_at"):
        if values[name] is not None:
            values[name] = from_ms(values[name])
    return ApiKey(**values)
