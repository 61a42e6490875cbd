"""The script in the browser: which bundle, its name, its tag, and the answers to requests for it.

Everything is made at construction; a request is looked up. No WSGI here: strings in, values out.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from dub_middleware.config import NINETY_DAYS, Config

#: a script of ours: the current one, one of an earlier release, or the plain name
_NAME = re.compile(r"script(?:\.[A-Za-z0-9-]+)*\.js")
_ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_FOREVER = "public, max-age=31536000, immutable"
_FIVE_MINUTES = "public, max-age=300"
#: content coding → suffix of the file; the first is preferred among equals
_CODINGS = {"br": ".js.br", "gzip": ".js.gz", "identity": ".js"}


class Response(NamedTuple):
    """What to answer; shared between requests, so whoever needs a list of headers makes one."""

    status: str
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Representation:
    """The bundle in one content coding: the finished answers."""

    etag: str
    get: Response
    head: Response
    not_modified: Response


_REFUSED = Response("405 Method Not Allowed", (("Allow", "GET, HEAD"), ("Content-Length", "0")), b"")


class Script:
    """Pick the smallest bundle that *config* needs, and answer for it below ``config.path``.

    Raises:
        FileNotFoundError: the bundle is neither in the package nor in a checkout.
    """

    def __init__(self, config: Config) -> None:
        self.variant = variant(config)
        self._bundle = {coding: _read(self.variant + suffix) for coding, suffix in _CODINGS.items()}
        self.hash = hashlib.sha256(self._bundle["identity"]).hexdigest()[:16]
        self._name = f"script.{self.hash}.js"
        self.url = config.script_src or f"{config.path}/{self._name}"
        self._before_nonce = f"<script {_attributes(config, self.url)}".encode("ascii")
        self._tag = self._before_nonce + b"></script>"
        self._current = {coding: self._representation(coding, _FOREVER) for coding in _CODINGS}
        self._stand_in = {coding: self._representation(coding, _FIVE_MINUTES) for coding in _CODINGS}

    @property
    def source(self) -> bytes:
        """The bundle, not compressed."""
        return self._bundle["identity"]

    def tag(self, nonce: str | None = None) -> bytes:
        """Return the ``<script>`` element: ASCII, and apart from *nonce* always the same."""
        if nonce is None:
            return self._tag
        return b'%b nonce="%b"></script>' % (
            self._before_nonce,
            html.escape(nonce).encode("ascii", "xmlcharrefreplace"),
        )

    def markup(self, nonce: str | None = None) -> str:
        """Return `tag` as text, for templates; it is safe HTML."""
        return self.tag(nonce).decode("ascii")

    def serve(
        self, method: str, path_tail: str, accept_encoding: str = "", if_none_match: str = ""
    ) -> Response | None:
        """Answer a request for the script, or return None when *path_tail* is something else.

        ``path_tail`` is the decoded path behind ``config.path``; the other two are the request's headers.
        A script of another release gets the current one with a short life. Ranges are ignored, as RFC 9110
        §14.2 allows.
        """
        bundle = self._current
        if path_tail != self._name:
            if not _NAME.fullmatch(path_tail):
                return None
            bundle = self._stand_in
        if method != "GET" and method != "HEAD":
            return _REFUSED
        found = bundle[negotiate(accept_encoding)]
        if if_none_match and matches(if_none_match, found.etag):
            return found.not_modified
        return found.get if method == "GET" else found.head

    def _representation(self, coding: str, cache_control: str) -> _Representation:
        body = self._bundle[coding]
        # one strong tag a coding: they name bytes (RFC 9110 §8.8.3.3)
        etag = f'"{self.hash}"' if coding == "identity" else f'"{self.hash}-{coding}"'
        validators = (("ETag", etag), ("Cache-Control", cache_control), ("Vary", "Accept-Encoding"))
        content = [("Content-Type", "text/javascript; charset=utf-8"), ("Content-Length", str(len(body)))]
        if coding != "identity":
            content.append(("Content-Encoding", coding))
        policy = (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-site"))
        headers = (*content, *validators, *policy)
        return _Representation(
            etag,
            Response("200 OK", headers, body),
            Response("200 OK", headers, b""),
            Response("304 Not Modified", validators, b""),
        )


def variant(config: Config) -> str:
    """Return the file name of the smallest bundle that does what *config* asks for, without ``.js``."""
    features = (
        ("site-visit", "site" in config.domains),
        ("outbound-domains", "outbound" in config.domains),
        ("conversion-tracking", config.publishable_key is not None),
    )
    return ".".join(["script", *(name for name, is_needed in features if is_needed)])


@lru_cache(maxsize=64)
def negotiate(accept_encoding: str) -> str:
    """Return the coding to send for an Accept-Encoding header: br, gzip or identity (RFC 9110 §12.5.3).

    A client that refuses all three gets identity: a script is better than a 406.
    """
    weights: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weight = next((part[2:] for part in parameters if part[:2] == "q="), "1")
        weights[{"x-gzip": "gzip"}.get(coding, coding)] = float(weight) if _WEIGHT.fullmatch(weight) else 0
    others = weights.get("*", 0)
    acceptable = {coding: weights.get(coding, others) for coding in ("br", "gzip")}
    # identity is acceptable unless refused, but anything listed is better
    acceptable["identity"] = weights.get("identity", 0)
    best = max(acceptable, key=acceptable.__getitem__)
    return best if acceptable[best] > 0 else "identity"


def matches(if_none_match: str, etag: str) -> bool:
    """Return whether If-None-Match names *etag*: a list, ``W/`` or not, or ``*`` (RFC 9110 §13.1.2)."""
    if if_none_match == etag:
        return True
    return if_none_match.strip() == "*" or etag in _ENTITY_TAG.findall(if_none_match)


def _attributes(config: Config, url: str) -> str:
    """Return the tag's attributes: server and script write the cookie from the same options."""
    attributes = {"src": url}
    if config.relay == "all":
        attributes["data-api-host"] = config.path
    elif config.api_host != "https://api.dub.co":
        attributes["data-api-host"] = config.api_host
    if config.publishable_key:
        attributes["data-publishable-key"] = config.publishable_key
        if config.relay == "conversions":
            attributes["data-relay"] = config.path
    if config.domains:
        attributes["data-domains"] = _json(dict(config.domains))
    if config.query_params:
        attributes["data-query-params"] = _json(config.query_params)
    if config.attribution_model != "last-click":
        attributes["data-attribution-model"] = config.attribution_model
    if options := _cookie_options(config):
        attributes["data-cookie-options"] = _json(options)
    if config.consent is not None:
        attributes["data-consent"] = "required"
    if config.respect_gpc:
        attributes["data-respect-gpc"] = "true"
    if config.clean_url:
        attributes["data-clean-url"] = "true"
    return " ".join(["defer", *(f'{name}="{html.escape(value)}"' for name, value in attributes.items())])


def _cookie_options(config: Config) -> dict[str, str | bool | float | None]:
    """Return what differs from the script's own cookie, under the names of Dub's script."""
    options: dict[str, str | bool | float | None] = {}
    if config.cookie_domain != "auto":
        options["domain"] = config.cookie_domain
    if config.cookie_path != "/":
        options["path"] = config.cookie_path
    if config.cookie_samesite != "Lax":
        options["sameSite"] = config.cookie_samesite
    if config.cookie_secure != "auto":
        options["secure"] = config.cookie_secure
    if config.cookie_max_age != NINETY_DAYS:
        options["expiresInDays"] = config.cookie_max_age / 86_400
    return options


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _read(name: str) -> bytes:
    """Return a built file: from the installed package, or from the checkout of an editable install."""
    package = files("dub_middleware") / "static"
    checkout = Path(__file__).parents[1] / "static" / "dist"
    for folder in (package, checkout):
        if (file := folder / name).is_file():
            return file.read_bytes()
    raise FileNotFoundError(
        f"{name} is neither in {package} nor in {checkout}. "
        "Build it: npm --prefix static ci && npm --prefix static run build"
    )
