"""Every option of the middleware, in one frozen dataclass that refuses wrong values at start-up.

The same names work everywhere: keyword options of `DubMiddleware`, Flask's ``DUB_*`` keys, Django's ``DUB``
dictionary, and ``DUB_*`` environment variables for what these leave open.
"""

from __future__ import annotations

import dataclasses
import difflib
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from dub_middleware import rules
from dub_middleware.errors import ConfigError

logger = logging.getLogger("dub_middleware")

#: called with the WSGI environ of the request (on ASGI: its WSGI view)
EnvironTest = Callable[[dict[str, Any]], bool]

NINETY_DAYS = 7_776_000

NEAR = 0.85  # how like an option a name must be to be taken for a slip

#: the options of conversions that share mappings with these, and their names in the environment and in Flask;
#: `dub_middleware.conversions.from_settings` reads them
CONVERSION_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "api_key": "DUB_API_KEY",
        "base_url": "DUB_BASE_URL",
        "rate_limit": "DUB_RATE_LIMIT",
        "outbox": "DUB_OUTBOX",
        "durability": "DUB_DURABILITY",
        "deliver": "DUB_DELIVER",
        "segment_write_key": "SEGMENT_WRITE_KEY",
        "segment_host": "SEGMENT_HOST",
        "segment_revenue": "SEGMENT_REVENUE",
    }
)


def option(default: Any, doc: str, rule: rules.Rule, *, secret: bool = False) -> Any:
    """Return a field of a `Checked` dataclass: documented, and judged by its rule at construction."""
    return field(default=default, repr=not secret, metadata={"doc": doc, "rule": rule})


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Hold options that are checked, and normalised, when they are given."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = item.metadata["rule"](item.name, getattr(self, item.name))
            object.__setattr__(self, item.name, value)


@dataclass(frozen=True, kw_only=True)
class Config(Checked):
    """Hold the validated options of one middleware.

    Raises:
        ConfigError: an option has a wrong type or value, or two options contradict each other.
    """

    path: str = option(
        "/_dub",
        "URL path, from the root of the host, below which the script and the relay answer; "
        "pages there never reach the app.",
        rules.path,
    )
    inject: bool | EnvironTest = option(
        True,
        "Put the script into HTML pages; or a callable of the WSGI environ that decides a request.",
        rules.switch,
    )
    script_src: str | None = option(
        None,
        "URL of the script when you host it elsewhere; by default the bundle is served below `path`.",
        rules.src,
    )
    relay: Literal["conversions", "all"] | None = option(
        "conversions",
        "What `path` + `/track/` forwards to `api_host`: client-side leads and sales; "
        "`all` adds clicks and visits, only for servers that honour `X-Forwarded-For`; `None` for nothing.",
        rules.one_of("conversions", "all", None),
    )
    api_host: str = option("https://api.dub.co", "Dub's API, or a server that speaks it.", rules.url)
    publishable_key: str | None = option(
        None,
        "Dub's publishable key (`dub_pk_…`), for conversions sent by the browser.",
        rules.publishable_key,
    )
    domains: Mapping[str, str | tuple[str, ...]] = option(
        None,
        "Short-link domain for `?via=` clicks (`refer`), domain of site visits (`site`), domains whose links "
        "carry the click id on (`outbound`).",
        rules.domains,
    )
    query_params: Sequence[str] = option(
        (), "Query parameters that hold a link key, tried before `via`.", rules.names
    )
    attribution_model: Literal["last-click", "first-click"] = option(
        "last-click", "Which click of a visitor counts.", rules.one_of("last-click", "first-click")
    )
    cookie_domain: str | None = option(
        "auto",
        "`auto`: the domain Dub's script would write (`.` + host without `www.`); `None`: this host only; "
        "or a domain of yours that covers the host.",
        rules.cookie_domain,
    )
    cookie_max_age: int = option(
        NINETY_DAYS, "Seconds the click id is kept; browsers cap it at 400 days.", rules.max_age
    )
    cookie_secure: bool | Literal["auto"] = option(
        "auto", "`Secure` on the cookie; `auto`: when the request came by https.", rules.auto_or_bool
    )
    cookie_samesite: Literal["Lax", "Strict", "None"] = option(
        "Lax", "`SameSite` of the cookie; `None` needs `Secure`.", rules.samesite
    )
    cookie_path: str = option("/", "`Path` of the cookie.", rules.cookie_path)
    consent: EnvironTest | None = option(
        None, "Callable of the WSGI environ; without its yes nothing is stored.", rules.test
    )
    respect_gpc: bool = option(
        False, "Treat Global Privacy Control (`Sec-GPC: 1`) as no consent.", rules.boolean
    )
    clean_url: bool = option(False, "Remove `dub_id` from the address bar once it is stored.", rules.boolean)
    secret_key: tuple[str | bytes, ...] | str | bytes | None = option(
        None,
        "Seals the capture in a second, signed cookie, so that `visit.captured_at` can be trusted; "
        "a list rotates keys: the first signs, all verify.",
        rules.secrets,
        secret=True,
    )
    nonce: Literal["auto"] | None = option(
        "auto",
        "`auto`: the nonce of the response's own Content-Security-Policy goes on the tag; `None`: never.",
        rules.one_of("auto", None),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cookie_samesite == "None" and self.cookie_secure is False:
            raise ConfigError(
                "cookie_secure",
                "cookie_secure=False does not go with cookie_samesite='None': browsers refuse such a cookie. "
                "Use cookie_secure='auto' or True, or cookie_samesite='Lax'.",
            )

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        *,
        prefix: str = "",
        ignore: Collection[str] = (),
        base: Config | None = None,
    ) -> Config:
        """Build a Config from *mapping*, whose keys are option names in any case behind *prefix*.

        Keys without the prefix, and the names in *ignore*, belong to others; the rest is as in *base*.
        Strings are read as in the environment: see `from_env`.

        Raises:
            ConfigError: a key is no option (the message says which was probably meant), or a value is wrong;
                either way the message names the key.
        """
        options = {}
        for key, value in mapping.items():
            name = key[len(prefix) :].lower()
            if not key.startswith(prefix) or name in ignore:
                continue
            option = _fields().get(name)
            if option is None:
                known = (*_fields(), *sorted(ignore))
                raise unknown_option(key, [f"{prefix}{it.upper()}" if prefix else it for it in known])
            rule = option.metadata["rule"]
            options[name] = rule(key, rules.from_text(rule, key, value))
        return dataclasses.replace(base or cls(), **options)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Config:
        """Build a Config from ``DUB_*`` environment variables.

        Booleans are 1/0, true/false, yes/no, on/off; lists are separated by commas; ``DUB_DOMAINS`` is JSON;
        an empty value leaves the default. Other ``DUB_*`` variables are none of its business; the log tells
        of one that looks like an option misspelt.

        Raises:
            ConfigError: a value is wrong; the message names the variable.
        """
        named = {name: f"DUB_{name.upper()}" for name in _fields()}
        mine = {key: environ[key] for key in named.values() if environ.get(key)}
        warn_of_slips((key for key in environ if key.startswith("DUB_")), named.values())
        return cls.from_mapping(mine, prefix="DUB_")

    @classmethod
    def of(cls, config: Config | None, options: Mapping[str, Any]) -> Config:
        """Return *config* with *options* laid over it; without one, they are laid over the environment.

        Raises:
            ConfigError: an option is unknown or wrong, or *config* is no Config.
        """
        if config is not None and not isinstance(config, Config):
            raise ConfigError(
                "config", f"config={config!r} is not a Config. Pass Config(...), or the options by name."
            )
        for name in options:
            if name not in _fields():
                raise unknown_option(name, list(_fields()))
        return dataclasses.replace(config or cls.from_env(), **options)


def refuse_slips(names: Iterable[str], known: Collection[str]) -> None:
    """Let names of others pass, but not one that is an option misspelt, as ``apikey`` is.

    Raises:
        ConfigError: naming it, and what was probably meant.
    """
    for name, _ in _slips(names, known):
        raise unknown_option(name, sorted(known))


def warn_of_slips(variables: Iterable[str], known: Collection[str]) -> None:
    """Tell the log of environment variables that look like one of ours misspelt.

    They do not stop the start, as in mappings: all programs of a machine share its environment.
    """
    for name, meant in _slips(variables, known):
        logger.warning("The environment variable %s is not an option. Did you mean %s?", name, meant)


def _slips(names: Iterable[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if name not in known and (meant := _nearest(name, known, NEAR)):
            yield name, meant


def _nearest(name: str, known: Collection[str], cutoff: float = 0.6) -> str | None:
    bare = {option.lower().replace("_", ""): option for option in known}
    near = difflib.get_close_matches(name.lower().replace("_", ""), bare, n=1, cutoff=cutoff)
    return bare[near[0]] if near else None


def unknown_option(name: str, known: list[str]) -> ConfigError:
    """Return the error for an option that does not exist, with the nearest one that does."""
    near = _nearest(name, known)
    hint = f" Did you mean {near!r}?" if near else ""
    return ConfigError(name, f"{name!r} is not an option.{hint} Options are: {', '.join(known)}.")


def _fields() -> dict[str, dataclasses.Field[Any]]:
    return {option.name: option for option in dataclasses.fields(Config)}
