"""Schemas of what the API takes and gives, in the manner of zod: one declaration parses and documents.

::

    LEAD = Object(
        {
            "clickId": String(trim=True, default="", nullable=True),
            "eventName": String(trim=True, min=(1, "eventName is required"), max=255, doc="Its name."),
            "customerEmail": String(format="email", max=100, default=None),
            "mode": Choice(("async", "wait", "deferred"), default="async"),
            "eventQuantity": Number(integer=True, above=0, max=100, default=None),
            "metadata": Record(default=None, check=short),
        },
        name="Lead",
    )
    LEAD.parse({"eventName": " Sign Up ", "unknown": 1})      # {"clickId": "", "eventName": "Sign Up", …}
    LEAD.parse({"eventName": "x", "mode": None})              # Issue: invalid_value: mode: Invalid option: …
    LEAD.openapi(components)                                  # {"$ref": "#/components/schemas/Lead"}

    PAGE = Object({"page": Number(integer=True, coerce=True, above=(0, "Too small."), default=1)})
    PAGE.parse_query(request.args)                            # {"page": 1}

- A field is required, has a ``default``, or is ``optional`` (then a missing one stays missing in the result).
  ``nullable`` allows null; a default of None does so too.
- Limits are a number, or a number and the message about it. ``message`` is about a wrong type.
- ``check=function`` has the last word: it returns the value, changed or not, or raises
  ``Issue(code, message)``.
- `Object.partial` makes the schema of a PATCH, `Object.extend` a variant.
- Results are keyed as on the wire; `snake_case` turns them into the names of the store.

Codes, messages and order are those of Dub's API, which reports the first issue only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dub_middleware.server.api.schema.base import MISSING, Anything, Issue, Limit, Schema
from dub_middleware.server.api.schema.containers import Array, Object, Record, Union, Values
from dub_middleware.server.api.schema.scalars import Boolean, Choice, Number, String, is_url

__all__ = [
    "MISSING",
    "Anything",
    "Array",
    "Boolean",
    "Choice",
    "Issue",
    "Limit",
    "Number",
    "Object",
    "Record",
    "Schema",
    "String",
    "Union",
    "Values",
    "is_url",
    "snake_case",
]


def snake_case(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values under Python's names: ``trackConversion`` is ``track_conversion``."""
    return {re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", name): values[name] for name in values}
