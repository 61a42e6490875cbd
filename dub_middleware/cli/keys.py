"""``dub-middleware keys``: the API keys of a server."""

from __future__ import annotations

import argparse
import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dub_middleware.cli.terminal import print_table
from dub_middleware.cli.usage import whole
from dub_middleware.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from dub_middleware.server.store import ApiKey, Store

MAX_DAYS = 36_500


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare ``create``, ``list`` and ``revoke``."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--database",
        metavar="URL",
        default=os.environ.get("DUB_DATABASE_URL", "sqlite:///dub.db"),
        help="the server's database (DUB_DATABASE_URL, or sqlite:///dub.db)",
    )
    common.add_argument("--json", action="store_true", help="answer in JSON")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", parents=[common], help="make a key and show it once")
    create.add_argument("--name", default="default", help="what it is for (%(default)s)")
    create.add_argument("--publishable", action="store_true", help="a key that browsers may see (dub_pk_…)")
    create.add_argument(
        "--days", type=whole(1, MAX_DAYS), metavar="N", help="how long it is good for; for ever when left out"
    )
    actions.add_parser("list", parents=[common], help="list the keys, without the keys themselves")
    revoke = actions.add_parser("revoke", parents=[common], help="make a key worthless")
    revoke.add_argument("id", help="its id (key_…) as `list` shows it, or the key itself")


def run(args: argparse.Namespace) -> int:
    """Work on the database itself, whether or not the server runs."""
    from dub_middleware.server.store import Store

    path = args.database.removeprefix("sqlite:///")
    if args.action != "create" and path != args.database and not Path(path).exists():
        raise StoreError(f"There is no database {path} here. Name it with --database or DUB_DATABASE_URL.")
    store = Store(args.database)
    try:
        action = {"create": _create, "list": _list, "revoke": _revoke}[args.action]
        return action(store, args)
    finally:
        store.close()


def _create(store: Store, args: argparse.Namespace) -> int:
    expires_at = None if args.days is None else datetime.now(timezone.utc) + timedelta(days=args.days)
    kind: Any = "publishable" if args.publishable else "secret"
    key, record = store.keys.create(kind, name=args.name, expires_at=expires_at)
    if args.json:
        print(json.dumps({"key": key, **_plain(record)}))
    else:
        print(f"{key}\n\nShown this once: only its hash is stored. Revoke it with: keys revoke {record.id}")
    return 0


def _list(store: Store, args: argparse.Namespace) -> int:
    records = store.keys.all()
    if args.json:
        print(json.dumps([_plain(record) for record in records]))
        return 0
    rows = []
    for record in records:
        times = (record.created_at, record.last_used_at, record.expires_at)
        shown = ("never" if moment is None else f"{moment:%Y-%m-%d %H:%M}" for moment in times)
        rows.append((record.id, record.kind, record.name, record.hint, *shown))
    print_table(("ID", "KIND", "NAME", "KEY", "MADE", "LAST USED", "EXPIRES"), rows)
    return 0


def _revoke(store: Store, args: argparse.Namespace) -> int:
    found = store.keys.find(args.id)
    key_id = args.id if found is None else found.id
    if not store.keys.delete(key_id):
        raise ConfigError("id", f"There is no key {args.id!r}: `dub-middleware keys list` shows them.")
    print(json.dumps({"revoked": key_id}) if args.json else f"Revoked {key_id}.")
    return 0


def _plain(record: ApiKey) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": record.kind,
        "name": record.name,
        "hint": record.hint,
        "createdAt": record.created_at.isoformat(),
        "lastUsedAt": record.last_used_at and record.last_used_at.isoformat(),
        "expiresAt": record.expires_at and record.expires_at.isoformat(),
    }
