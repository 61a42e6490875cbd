"""``dub-middleware serve``: short links, the tracking API, webhooks and the dashboard, on this machine."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dub_middleware.cli.usage import whole
from dub_middleware.errors import ConfigError

if TYPE_CHECKING:
    from dub_middleware.server import Server

PORT = 8787
DATABASE = "sqlite:///dub.db"
DEMO_DATABASE = "sqlite:///dub-demo.db"

#: options that only the environment gives
_VARIABLES = {"api_key": "DUB_API_KEY", "publishable_key": "DUB_PUBLISHABLE_KEY"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options; what is not said is read from ``DUB_…`` in the environment."""
    parser.epilog = (
        "Environment: DUB_DATABASE_URL, DUB_PASSWORD and SEGMENT_WRITE_KEY stand for the options of that "
        "name; DUB_API_KEY and DUB_PUBLISHABLE_KEY are keys to accept besides those in the database."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port",
        type=whole(0, 65_535),
        default=PORT,
        metavar="N",
        help="port; 0 is any free one (%(default)s)",
    )
    parser.add_argument(
        "--database",
        metavar="URL",
        default=os.environ.get("DUB_DATABASE_URL"),
        help=f"sqlite:///file.db or postgresql://user@host/name ({DATABASE})",
    )
    parser.add_argument(
        "--domain",
        dest="domains",
        metavar="DOMAIN",
        action="append",
        help="a short domain; may be given several times (go.localhost)",
    )
    parser.add_argument(
        "--password",
        default=os.environ.get("DUB_PASSWORD"),
        help="of the dashboard; required when other machines can reach it. DUB_PASSWORD is safer: others "
        "on this machine can read command lines",
    )
    parser.add_argument(
        "--base-url", metavar="URL", help="where the server is reached, when a proxy stands in front of it"
    )
    parser.add_argument(
        "--segment-write-key",
        metavar="KEY",
        default=os.environ.get("SEGMENT_WRITE_KEY"),
        help="take events of Segment's clients at /v1/… under this key, which you make up",
    )
    parser.add_argument(
        "--segment-mappings",
        metavar="FILE",
        help="how these events become leads and sales (JSON or TOML), instead of the usual mappings",
    )
    parser.add_argument(
        "--demo", action="store_true", help=f"show made-up data, in a database of its own ({DEMO_DATABASE})"
    )
    parser.add_argument("--geoip", metavar="FILE", help="a MaxMind database that knows where addresses are")
    parser.add_argument("--rates", metavar="FILE", help="the ECB's conversion rates, in XML or CSV")
    parser.add_argument(
        "--trusted-proxy",
        dest="trusted_proxies",
        metavar="NETWORK",
        action="append",
        help="a proxy that may tell the visitor's address; may be given several times (this machine)",
    )
    parser.add_argument(
        "--faithful", action="store_true", help="repeat Dub's defects too, for testing against them"
    )
    parser.add_argument("--anonymize-ip", action="store_true", help="store addresses as networks only")
    parser.add_argument("--json", action="store_true", help="tell addresses and keys as one line of JSON")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    from dub_middleware.server import create_app
    from dub_middleware.server.addresses import is_loopback
    from dub_middleware.server.serving import listen, serve

    is_private = is_loopback(args.host)
    if not is_private and not args.password:
        raise ConfigError(
            "password",
            f"--host {args.host} can be reached from other machines, so the dashboard needs a password: "
            "set DUB_PASSWORD, or leave --host out to serve this machine only.",
        )
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with listen(args.host, args.port) as listening:
        try:
            app = create_app(**_options(args, listening, is_private=is_private))
        except ConfigError as error:
            raise error.under(_VARIABLES.get(error.option, error.option)) from None
        with contextlib.ExitStack() as running:
            running.callback(app.close)
            if args.demo:
                running.callback(_start_demo(app, quiet=args.json))
            app.start()
            told = json.dumps(_facts(app)) if args.json else _welcome(app)
            serve(app, listening, lambda: print(told, flush=True))
    if not args.json:
        print("\n  Stopped.")
    return 0


def _options(args: argparse.Namespace, listening: socket.socket, *, is_private: bool) -> dict[str, Any]:
    """The options of the server that were given; the others keep their defaults."""
    given = {
        "database_url": args.database or (DEMO_DATABASE if args.demo else DATABASE),
        **{option: os.environ.get(name) or None for option, name in _VARIABLES.items()},
        "domains": args.domains,
        "password": args.password or None,
        "base_url": args.base_url or f"http://{_reachable(args.host, listening)}",
        "private_receivers": is_private,
        "segment_write_key": args.segment_write_key or None,
        "segment_mappings": args.segment_mappings,
        "geoip_path": args.geoip,
        "rates_file": args.rates,
        "trusted_proxies": args.trusted_proxies,
        "faithful": args.faithful,
        "anonymize_ip": args.anonymize_ip,
    }
    return {name: value for name, value in given.items() if value is not None}


def _reachable(host: str, listening: socket.socket) -> str:
    if host in ("", "0.0.0.0", "::"):
        host = socket.gethostname()
    port = listening.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _facts(app: Server) -> dict[str, Any]:
    base = app.options.base_url
    return {
        "dashboard": f"{base}/",
        "api": f"{base}/api",
        "short_links": [
            app.objects.short_url(domain.slug, "<key>") for domain in app.store.workspace.domains()
        ],
        "database": app.store.database.url.render_as_string(),
        "api_key": app.api_key,
        "publishable_key": app.publishable_key,
        "segment": app.options.base_url if app.segment is not None else None,
    }


def _welcome(app: Server) -> str:
    facts = _facts(app)
    # a key of an earlier run cannot be shown; one from the environment need not be
    secret = None if os.environ.get("DUB_API_KEY") else app.api_key
    publishable = None if os.environ.get("DUB_PUBLISHABLE_KEY") else app.publishable_key
    lines = [
        "",
        f"  Dashboard     {facts['dashboard']}",
        f"  API           {facts['api']}",
        *(f"  Short links   {url}" for url in facts["short_links"]),
        f"  Data          {facts['database']}",
        "",
    ]
    if secret:
        lines.append(f"  Secret key    {secret}")
    if publishable:
        lines.append(f"  Publishable   {publishable}")
    if secret or publishable:
        lines += ["                Shown this once: only their hashes are stored.", ""]
    lines += [
        "  Point an app at it:",
        f"    export DUB_BASE_URL={facts['api']} DUB_API_KEY={secret or 'dub_…'}",
        f"    export DUB_API_HOST={facts['api']} DUB_PUBLISHABLE_KEY={publishable or 'dub_pk_…'}",
        "  or the SDK:",
        f'    Dub(token="{secret or "dub_…"}", server_url="{facts["api"]}")',
    ]
    if (write_key := app.options.segment_write_key) is not None:
        lines += [
            "  or Segment's clients:",
            f"    export SEGMENT_HOST={app.options.base_url} SEGMENT_WRITE_KEY={write_key}",
        ]
    if not (secret or publishable):
        lines += ["", "  The keys were shown on the first start; make another: dub-middleware keys create"]
    return "\n".join([*lines, "", "  Ctrl-C stops it.", ""])


def _start_demo(app: Server, *, quiet: bool) -> Callable[[], None]:
    """Fill the database and let visitors come; return what ends their coming."""
    from dub_middleware.server.demo_data import DemoVisitors, make_demo

    shows = not quiet and sys.stderr.isatty()

    def progress(share: float) -> None:
        if shows:
            print(f"\r  Making demo data … {share:4.0%}", end="", file=sys.stderr, flush=True)

    made = make_demo(app.store, progress)
    if shows and made:
        print(file=sys.stderr)
    return DemoVisitors(app.store).close
