"""QR codes: https://dub.co/docs/api-reference/endpoint/retrieve-a-qr-code"""

from __future__ import annotations

from werkzeug import Response

from dub_middleware.server.api.operations import Call, Resource
from dub_middleware.server.api.schema import Boolean, Choice, Issue, Number, Object, String
from dub_middleware.server.qr_codes import qr_code

resource = Resource("QR Codes", "Images of links.")

MAX_URL = 1000  # characters that fit at every level
MAX_SIZE = 2000  # pixels


def _color(text: str) -> str:
    digits = text.removeprefix("#")
    if len(digits) != 6 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise Issue("custom", "Invalid color: use six hexadecimal digits such as #000000.")
    return f"#{digits}"


_COLOR = String(
    optional=True,
    pattern="^#?[0-9A-Fa-f]{6}$",
    check=_color,
    doc="Six hexadecimal digits.",
)
_QUERY = Object(
    {
        "url": String(min=(1, "url is required"), max=MAX_URL, format="url", doc="What the code says."),
        "size": Number(coerce=True, integer=True, min=16, max=MAX_SIZE, default=600, doc="Pixels, about."),
        "level": Choice(("L", "M", "Q", "H"), default="L", doc="How much of it may be damaged."),
        "fgColor": _COLOR,
        "bgColor": _COLOR,
        "margin": Number(coerce=True, integer=True, min=0, max=20, default=2, doc="Modules around it."),
        "includeMargin": Boolean(from_text=True, default=True, deprecated=True),
        "logo": String(optional=True, doc="Not drawn: codes of this server have no logo."),
        "hideLogo": Boolean(from_text=True, default=False),
    }
)


@resource.get("/qr", query=_QUERY, auth=None, media="image/png")
def get_qr_code(call: Call) -> Response:
    """Draw a QR code."""
    query = call.query
    image = qr_code(
        query["url"],
        "png",
        size=query["size"],
        level=query["level"],
        dark=query.get("fgColor") or "#000000",
        light=query.get("bgColor") or "#ffffff",
        margin=query["margin"] if query["includeMargin"] else 0,
    )
    response = Response(image, mimetype="image/png")
    response.cache_control.public = True
    response.cache_control.max_age = 3600
    return response
