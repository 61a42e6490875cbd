"""The command line: ``dub-middleware COMMAND``, one module a command, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from dub_middleware.cli.usage import Parser, UsageError, Version, tell, wants_json
from dub_middleware.errors import DubError

#: name → what it does; the module of that name has configure(parser) and run(args)
COMMANDS: dict[str, str] = {
    "verify": "Check a page of yours: is the script there, does it load, does the click id stay.",
    "snippet": "Print the script's tag, for pages that no middleware reaches.",
    "outbox": "Look at the conversions that wait or failed; queue them again; delete them.",
    "deliver": "Deliver what the outbox holds, as a process of its own.",
    "serve": "Run short links, the tracking API, webhooks and the dashboard on this machine.",
    "segment": "Try events on mappings of Segment's destination Dub (Actions), without sending them.",
    "links": "Create and list short links, on a server of yours or at Dub.",
    "analytics": "Show how many clicks, leads and sales there were, as a chart.",
    "events": "Follow clicks, leads and sales as they come.",
    "keys": "Make, list and revoke the API keys of a server.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in arguments if not word.startswith("-")), None)
    try:
        parser = _parser(name)
        args = parser.parse_args(arguments)
        if args.command is None:
            parser.print_help(sys.stderr)
            return 2
        return int(importlib.import_module(f"{__name__}.{args.command}").run(args))
    except UsageError as error:
        tell(error.command, error, as_json=wants_json(arguments))
        return 2
    except DubError as error:
        tell(f"dub-middleware {name}", error, as_json=wants_json(arguments))
        return 1
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the prompt goes below what was interrupted
        return 130
    except BrokenPipeError:
        # `events tail | head` is normal use; what is left in our buffer has no reader
        sys.stdout = None
        return 0


def _parser(wanted: str | None) -> Parser:
    parser = Parser(
        prog="dub-middleware",
        description="Conversion tracking with Dub links for any Python web app.",
        epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted. With --json, which most "
        "commands have, errors are JSON too, on standard error.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        if name == wanted:
            importlib.import_module(f"{__name__}.{name}").configure(sub)
    return parser
