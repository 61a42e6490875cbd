"""``dub-middleware links``: create and list short links."""

from __future__ import annotations

import argparse
import json
from typing import Any

from dub_middleware.cli.remote import Remote, add_arguments
from dub_middleware.cli.terminal import print_table
from dub_middleware.cli.usage import whole

_COUNTS = ("clicks", "leads", "sales")
_UTM = ("source", "medium", "campaign", "term", "content")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare ``create`` and ``list``."""
    common = argparse.ArgumentParser(add_help=False)
    add_arguments(common)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", parents=[common], help="make a short link")
    create.add_argument("destination", help="where it leads")
    create.add_argument("--key", help="the part behind the domain; random when left out")
    create.add_argument("--domain", help="the short domain; the primary one when left out")
    create.add_argument("--track-conversion", action="store_true", help="give the destination the click id")
    create.add_argument("--external-id", metavar="ID", help="the id in your own database")
    create.add_argument("--tag", dest="tags", metavar="NAME", action="append", help="a tag; may be repeated")
    create.add_argument("--expires", metavar="WHEN", help="when it stops leading on, such as 'in 2 weeks'")
    create.add_argument("--password", help="what visitors must know")
    for name in _UTM:
        create.add_argument(f"--utm-{name}", metavar="TEXT", help=f"sets utm_{name} in the destination")
    listing = actions.add_parser("list", parents=[common], help="list links, newest first")
    listing.add_argument("--search", help="those whose short link or destination contains this")
    listing.add_argument("--domain", help="those on this domain")
    listing.add_argument("--tag", help="those with this tag")
    listing.add_argument("--archived", action="store_true", help="archived ones too")
    listing.add_argument("--sort", choices=("createdAt", "clicks", "saleAmount", "lastClicked"))
    listing.add_argument(
        "--limit", type=whole(1, 100), default=20, metavar="N", help="how many, at most 100 (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Create or list."""
    return {"create": _create, "list": _list}[args.action](Remote(args), args)


def _create(remote: Remote, args: argparse.Namespace) -> int:
    body = {
        "url": args.destination,
        "key": args.key,
        "domain": args.domain,
        "trackConversion": args.track_conversion or None,
        "externalId": args.external_id,
        "tagNames": args.tags,
        "expiresAt": args.expires,
        "password": args.password,
        **{f"utm_{name}": getattr(args, f"utm_{name}") for name in _UTM},
    }
    link = remote.post("/links", {name: value for name, value in body.items() if value is not None})
    print(json.dumps(link) if args.json else link["shortLink"])
    return 0


def _list(remote: Remote, args: argparse.Namespace) -> int:
    links = remote.get(
        "/links",
        search=args.search,
        domain=args.domain,
        tagNames=args.tag,
        showArchived=args.archived or None,
        sortBy=args.sort,
        pageSize=args.limit,
    )
    if args.json:
        print(json.dumps(links))
    elif not links:
        print("No links.")
    else:
        head = ("short link", *_COUNTS, "destination")
        print_table(head, [_row(link) for link in links], numbers=_COUNTS)
    return 0


def _row(link: dict[str, Any]) -> list[str]:
    numbers = [f"{link[name]:,}" for name in _COUNTS]
    return [link["shortLink"].partition("://")[2], *numbers, link["url"]]
