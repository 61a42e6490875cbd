"""What analytics.js asks for before it sends anything: ``GET /v1/projects/<write key>/settings``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from werkzeug.wsgi import get_host

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PATH = re.compile(r"/v1/projects/([^/]+)/settings")


def settings(environ: WSGIEnvironment, write_key: str) -> bytes:
    """Return a source without device-mode destinations, whose events come to where this was asked for."""
    events_to = {
        "apiKey": write_key,
        "apiHost": f"{get_host(environ)}{environ.get('SCRIPT_NAME', '')}/v1",
        "protocol": environ["wsgi.url_scheme"],
    }
    allowed = {"enabled": True, "integrations": {}}
    return json.dumps(
        {
            "integrations": {"Segment.io": events_to},
            "plan": {kind: {"__default": allowed} for kind in ("track", "identify", "group")},
            "metrics": {"sampleRate": 0},
        }
    ).encode()
