"""What the adapters of one configuration share: script, injection, and the answers below ``Config.path``."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dub_middleware.capture import click_cookies
from dub_middleware.config import Config
from dub_middleware.inject import Injection, with_cookies
from dub_middleware.script import Response, Script

if TYPE_CHECKING:
    from dub_middleware.relay import Relay
    from dub_middleware.relay.core import Reader

#: a view sets this key of the environ (on ASGI: of the scope) to False to keep the script out of its page
INJECT_KEY = "dub_middleware.inject"


class Site:
    """The parts of one middleware, made at start-up and shared by its requests and threads.

    Raises:
        FileNotFoundError: the script's bundle is not installed.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.script = Script(config)
        self.prefix = f"{config.path}/"
        self.injection = Injection(
            self.script.tag,
            self.script.url,
            marker=self.script.url.encode(),
            use_nonce=config.nonce is not None,
        )

    @cached_property
    def relay(self) -> Relay:
        # the HTTP client is not imported before a browser asks for the relay
        from dub_middleware.relay import Relay

        return Relay(self.config)

    def answer(self, environ: dict[str, Any], tail: str, body: Reader) -> Response:
        """Answer a request below ``Config.path``, whose decoded rest is *tail*; may block on the relay."""
        method = environ["REQUEST_METHOD"]
        script = self.script.serve(
            method, tail, environ.get("HTTP_ACCEPT_ENCODING", ""), environ.get("HTTP_IF_NONE_MATCH", "")
        )
        if script is not None:
            return script
        headers = request_headers(environ)
        client, scheme = environ.get("REMOTE_ADDR"), environ["wsgi.url_scheme"]
        relayed = self.relay.handle(method, tail, headers, body, client, scheme, environ.get("HTTP_HOST", ""))
        cookies = click_cookies(relayed.click_id, environ, self.config) if relayed.click_id else ()
        # set by the server, the cookie outlives the seven days that Safari gives to those of scripts
        answered = with_cookies(relayed.headers, cookies) if cookies else relayed.headers
        return Response(relayed.status, answered, relayed.body)

    def wants_tag(self, environ: dict[str, Any]) -> bool:
        """Return whether neither the options nor the view keep the script out of this response."""
        if environ.get(INJECT_KEY) is False:
            return False
        inject = self.config.inject
        return inject if isinstance(inject, bool) else bool(inject(environ))


def request_headers(environ: dict[str, Any]) -> dict[str, str]:
    """Return the request's headers by their lower-case names."""
    headers = {
        key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = environ[key]
    return headers
