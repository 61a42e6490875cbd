"""What the range, the filters and the rates of a page are called in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from dub_middleware.server.dashboard import formats
from dub_middleware.server.dashboard.filters import Scope
from dub_middleware.server.queries import Interval, Range, Step


class Preset(NamedTuple):
    """An interval in the menu, with the key that chooses it."""

    interval: Interval
    label: str
    key: str


PRESETS = (
    Preset("today", "Today", "d"),
    Preset("yesterday", "Yesterday", "e"),
    Preset("24h", "Last 24 hours", "h"),
    Preset("7d", "Last 7 days", "w"),
    Preset("30d", "Last 30 days", "t"),
    Preset("90d", "Last 90 days", "n"),
    Preset("1y", "Last 12 months", "o"),
    Preset("mtd", "Month to date", "m"),
    Preset("qtd", "Quarter to date", "q"),
    Preset("ytd", "Year to date", "y"),
    Preset("all", "All time", "a"),
)
COMPARISONS = {
    "": "No comparison",
    "previous": "The period before",
    "weekdays": "The same weekdays before",
    "year": "The year before",
}
_MOMENT = timedelta(milliseconds=1)
_LABELS = {preset.interval: preset.label for preset in PRESETS}


def range_name(scope: Scope, period: Range) -> str:
    """Name the range of a page: "Last 30 days" or its dates."""
    return dates(period) if scope.start else _LABELS[scope.interval]


def dates(period: Range) -> str:
    """Name the days that a range covers, in its own zone, those to come left out."""
    last = max(period.start, period.until - _MOMENT)
    return formats.span(period.start.astimezone(period.zone), last.astimezone(period.zone))


@dataclass(frozen=True, slots=True)
class StepWords:
    """What happened between one step of the funnel and the next, told; ``notes`` stand below, one a line."""

    kept: str
    lost: str = ""
    notes: tuple[str, ...] = ()


def step_words(
    step: Step, before: Step | None, *, compared: Step | None = None, revenue: tuple[int, str] = (0, "usd")
) -> StepWords:
    """Tell how many of ``before`` became ``step``, and how many did not.

    ``compared`` is the same step of the range compared with, ``revenue`` an amount and its currency.
    """
    if before is None:
        count = formats.number(step.count)
        return StepWords(
            f"{count} {step.name if step.count != 1 else step.name[:-1]}",
            notes=("Where it begins" if compared is None else f"{formats.number(compared.count)} before",),
        )
    is_known = compared is not None and compared.of_previous is not None
    notes = [f"{formats.percent(compared.of_previous)} before"] if compared and is_known else []
    if step.name == "sales" and step.count:
        was = f", {formats.percent(compared.of_first)} before" if compared and is_known else ""
        notes.append(f"{formats.percent(step.of_first)} of all clicks{was}")
        amount, currency = revenue
        average = formats.money(round(amount / step.count), currency)
        notes.append(f"{formats.money(amount, currency)} revenue, {average} a sale")
    if step.count > before.count:
        notes.append(_MORE[step.name])
        without = f"{step.name.capitalize()} without {before.name}"
        return StepWords(
            f"More {step.name} than {before.name}" if before.count else without, "", tuple(notes)
        )
    if not before.count:
        return StepWords(f"No {before.name} to become {step.name}", "", tuple(notes))
    kept = f"{formats.percent(step.of_previous)} of {before.name} became {step.name}"
    lost = f"{formats.number(step.dropped)} dropped off ({formats.percent(step.drop_off)})"
    return StepWords(kept, lost if step.dropped else "None dropped off", tuple(notes))


_MORE = {
    "leads": "Every event counts on its own day: these leads may come from clicks before this range.",
    "sales": "A customer may buy more than once, and may have come before this range.",
}
