"""What commands put on a terminal: tables, colours, moments, a progress bar."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timezone

BAR = 30
_COLORS = {"": 0, "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "grey": 90}


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[str] = ()) -> None:
    """Print aligned columns, cut to the width of the terminal; ``numbers`` names heads to align right."""
    table = [list(head), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in table:
        cells = (
            cell.rjust(width) if name in numbers else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        )
        line = "  ".join(cells).rstrip()
        print(line if limit is None or len(line) <= limit else f"{line[: limit - 1]}…")


def moment(epoch: float) -> str:
    """Return epoch seconds in the time zone of this machine."""
    return f"{datetime.fromtimestamp(epoch, timezone.utc).astimezone():%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``3 d 4 h``, ``12 min``, ``40 s``."""
    for size, unit, smaller, small_unit in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = int(seconds % size) // smaller
            return f"{int(seconds) // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{int(seconds)} s"


def count(number: int, noun: str) -> str:
    """Return ``1 event`` or ``2,000 events``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield ``advance(count)`` that draws a bar on standard error, where that is a terminal."""
    done = 0
    shows = sys.stderr.isatty()

    def advance(number: int) -> None:
        nonlocal done
        done += number
        if shows:
            share = min(1.0, done / total) if total else 1.0
            bar = "█" * int(BAR * share) + "░" * (BAR - int(BAR * share))
            print(f"\r{label} {bar} {share:4.0%}  {done:,}", end="", file=sys.stderr, flush=True)

    try:
        yield advance
    finally:
        if shows and done:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def paint(text: str, color: str = "", *, bold: bool = False) -> str:
    """Return the text in a colour where standard output shows one (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLORS[color]}{';1' if bold else ''}m{text}\x1b[0m"


def plain(text: str) -> str:
    """Return the text with what could steer the terminal written out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
