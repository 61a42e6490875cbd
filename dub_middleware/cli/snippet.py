"""``dub-middleware snippet``: the script's tag for pages that no middleware reaches, or the script."""

from __future__ import annotations

import argparse
import sys

from dub_middleware.config import Config
from dub_middleware.script import Script


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare ``--script``."""
    parser.epilog = (
        "The options come from the environment, as those of the middleware do: DUB_DOMAINS, DUB_API_HOST, … "
        "Without DUB_SCRIPT_SRC the tag names the address below DUB_PATH where the middleware serves the "
        "script."
    )
    parser.add_argument("--script", action="store_true", help="print the script that the tag loads instead")


def run(args: argparse.Namespace) -> int:
    """Print the tag or the script."""
    script = Script(Config.from_env())
    if args.script:
        sys.stdout.buffer.write(script.source)
    else:
        print(script.markup())
    return 0
