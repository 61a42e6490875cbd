"""Keep a page's ``<meta charset>`` where browsers look for it.

A browser that got no charset by header reads the first 1024 bytes for a ``<meta>`` that names one
(https://html.spec.whatwg.org/multipage/parsing.html#determining-the-character-encoding). A tag put in
front of it must not push it out of that window.
"""

from __future__ import annotations

import re

from dub_middleware.inject.scanner import tag_end

WINDOW = 1024

_BETWEEN = re.compile(rb"(?:[\t\n\f\r ]+|<!--(?:-?>|.*?--!?>))*", re.S)
# What may stand in head before its <meta>; `<template>` and `<noscript>` change how the parser reads on.
_IN_HEAD = re.compile(rb"<(meta|link|base|title|style|script)(?=[\t\n\f\r />])", re.I)
_RAW_END = {
    name: re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.I) for name in (b"title", b"style", b"script")
}
_CHARSET = re.compile(rb"charset", re.I)


def behind_late_charset(data: bytes, at: int, added: int) -> int:
    """Return where to insert *added* bytes: *at*, or behind the ``<meta>`` they would push past byte 1024."""
    pos = at
    while pos < WINDOW:
        between = _BETWEEN.match(data, pos)
        tag = _IN_HEAD.match(data, between.end() if between else pos)
        if tag is None:
            return at
        name = tag[1].lower()
        pos = tag_end(data, tag.end())
        if pos > 0 and name == b"meta" and _CHARSET.search(data, tag.end(), pos):
            return pos if pos <= WINDOW < pos + added else at
        if pos > 0 and name in _RAW_END:
            pos = _behind_raw_text(data, pos, name)
        if pos < 0:
            return at
    return at


def _behind_raw_text(data: bytes, pos: int, name: bytes) -> int:
    close = _RAW_END[name].search(data, pos)
    if close is None or (name == b"script" and data.find(b"<!--", pos, close.start()) >= 0):
        return -1  # where a script with `<!--` ends is a science of its own
    return tag_end(data, close.end())
