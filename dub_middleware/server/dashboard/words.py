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
    """What happened between one step of the funnel and the next, told."""

    kept: str
    lost: str
    note: str = ""


def step_words(before: Step, step: Step) -> StepWords:
    """Tell how many of ``before`` became ``step``, and how many did not."""
    if not before.count:
        if not step.count:
            return StepWords(f"No {before.name} to become {step.name}", "")
        return StepWords(f"{step.name.capitalize()} without {before.name}", "", _NOTE.format(step.name))
    kept = f"{formats.percent(step.of_previous)} of {before.name} became {step.name}"
    if step.count > before.count:
        return StepWords(f"More {step.name} than {before.name}", "", _NOTE.format(step.name))
    lost = f"{formats.number(step.dropped)} dropped off ({formats.percent(step.drop_off)})"
    return StepWords(kept, lost if step.dropped else "None dropped off")


_NOTE = "Every event counts on its own day: these {} may come from clicks before this range."
