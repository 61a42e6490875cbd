"""The dictionary behind slim event rows: text ↔ number, remembered by each process."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit

import sqlalchemy as sa

from dub_middleware.server.store.engine import Database
from dub_middleware.server.store.schema import url_parts, words

MAX_BYTES = 2000  # PostgreSQL indexes no more than 2,704
MAX_REMEMBERED = 100_000
UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
KEPT_PARAMETERS = frozenset((*UTM, "ref", "via"))


def plain(text: str) -> str:
    """``text`` as any database takes it: no NUL, no lone surrogate, at most `MAX_BYTES` in UTF-8."""
    if text.isascii() and len(text) <= MAX_BYTES and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace")[:MAX_BYTES].decode("utf-8", "ignore")


@lru_cache(10_000)
def short_url(url: str) -> str:
    """``url`` without fragment and without parameters, except those that breakdowns ask for.

    What a site puts into its other parameters (session ids, mail addresses) would make every row unique, and
    is nobody's business here.
    """
    try:
        parts = urlsplit(url)
        kept = [pair for pair in parse_qsl(parts.query) if pair[0] in KEPT_PARAMETERS]
        return plain(parts._replace(query=urlencode(kept), fragment="").geturl())
    except ValueError:
        return plain(url.partition("?")[0].partition("#")[0])


class Words:
    """Give texts their numbers and numbers their texts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._lock = threading.Lock()

    def ids(self, texts: Iterable[str]) -> dict[str, int]:
        """The number of each text, new ones added.

        New words are committed on their own, before the transaction that uses them: a roll-back there
        cannot take away a number that this process remembers, nor two transactions wait for each other.
        """
        return {text: self.id(text) for text in set(texts)}

    def id(self, text: str) -> int:
        """The number of one text, added if it is new."""
        pk = self._ids.get(text)
        return self._add(text) if pk is None else pk

    def find(self, connection: sa.Connection, texts: Collection[str]) -> dict[str, int]:
        """The numbers of those texts that have one; nothing is added."""
        query = sa.select(words.c.text, words.c.pk).where(words.c.text.in_(texts))
        return {row.text: row.pk for row in connection.execute(query)}

    def ending(self, connection: sa.Connection, end: str, *, length: int | None = None) -> list[int]:
        """The numbers of the texts with this end, and this length where given."""
        query = sa.select(words.c.pk).where(words.c.text.endswith(end, autoescape=True))
        if length is not None:
            query = query.where(sa.func.length(words.c.text) == length)
        return list(connection.execute(query).scalars())

    def texts(self, connection: sa.Connection, ids: Iterable[int | None]) -> Mapping[int, str]:
        """The text of each number; None is skipped."""
        wanted = {pk for pk in ids if pk is not None}
        found = {pk: self._texts[pk] for pk in wanted if pk in self._texts}
        missing = sorted(wanted - found.keys())
        for start in range(0, len(missing), 500):
            query = sa.select(words.c.pk, words.c.text).where(words.c.pk.in_(missing[start : start + 500]))
            for pk, text in connection.execute(query):
                found[pk] = text
                self._remember(text, pk)
        return found

    def text(self, pk: int | None) -> str | None:
        """The text of one number."""
        if pk is None or pk in self._texts:
            return None if pk is None else self._texts[pk]
        with self._database.read() as connection:
            return self.texts(connection, [pk]).get(pk)

    def _add(self, text: str) -> int:
        insert = self._database.insert(words).values(text=text)
        insert = insert.on_conflict_do_update(index_elements=["text"], set_={"text": text})
        with self._database.write(durable=False) as connection:
            pk = connection.execute(insert.returning(words.c.pk)).scalar_one()
            if "://" in text:
                parts = self._database.insert(url_parts).values(word=pk, **_parts(text))
                connection.execute(parts.on_conflict_do_nothing())
        self._remember(text, pk)
        return int(pk)

    def _remember(self, text: str, pk: int) -> None:
        with self._lock:
            if len(self._ids) >= MAX_REMEMBERED:
                self._ids.clear()
                self._texts.clear()
            self._ids[text] = pk
            self._texts[pk] = text


def _parts(url: str) -> dict[str, str | None]:
    base, _, query = url.partition("?")
    given = dict(parse_qsl(query))
    return {"base": base, **{name: given.get(name) for name in UTM}}
