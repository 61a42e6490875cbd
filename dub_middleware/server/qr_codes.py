"""QR codes of short links, as images."""

from __future__ import annotations

import io
from typing import Literal

import segno

Kind = Literal["png", "svg"]


def qr_code(
    text: str,
    kind: Kind,
    *,
    size: int = 600,
    level: str = "M",
    dark: str = "#000000",
    light: str = "#ffffff",
    margin: int = 2,
) -> bytes:
    """Return an image of at least ``size`` pixels, where the text needs no more; ``margin`` is in modules.

    ``level`` is how much may be damaged: L, M, Q or H. Raises `ValueError` for a text that no code can hold.
    """
    code = segno.make(text, error=level, micro=False, boost_error=False)
    modules = code.symbol_size(border=margin)[0]
    image = io.BytesIO()
    code.save(image, kind=kind, scale=max(1, -(-size // modules)), border=margin, dark=dark, light=light)
    return image.getvalue()
