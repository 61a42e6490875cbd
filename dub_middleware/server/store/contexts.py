"""Where a click came from, as an event row keeps it: a dozen numbers of words, and the address."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from dub_middleware.server.store.events import city_word
from dub_middleware.server.store.models import CONTEXT_WORDS, Context
from dub_middleware.server.store.privacy import coarse_ip
from dub_middleware.server.store.words import Words, plain, short_url

MAX_REMEMBERED = 10_000  # contexts

_words_of = attrgetter(*CONTEXT_WORDS)


class Contexts:
    """Turn contexts into columns; most clicks come from where an earlier one came from."""

    def __init__(self, words: Words, *, anonymize_ip: bool = False) -> None:
        self._words = words
        self._anonymize_ip = anonymize_ip
        self._recent: dict[tuple[str, ...], dict[str, int]] = {}

    def row(self, context: Context) -> dict[str, Any]:
        """The columns of a context; words that are new are added."""
        key = _words_of(context)
        ids = self._recent.get(key)
        if ids is None:
            ids = self._ids(context)
            if len(self._recent) >= MAX_REMEMBERED:
                self._recent.clear()
            self._recent[key] = ids
        ip = coarse_ip(context.ip) if context.ip and self._anonymize_ip else context.ip
        return {**ids, "ip": ip}

    def _ids(self, context: Context) -> dict[str, int]:
        texts = {name: plain(getattr(context, name)) for name in CONTEXT_WORDS}
        texts["url"] = short_url(context.url)
        texts["referer_url"] = short_url(context.referer_url).partition("?")[0]
        texts["city"] = plain(city_word(context.country, context.region, context.city))
        ids = self._words.ids(texts.values())
        return {name: ids[text] for name, text in texts.items()}
