"""QR codes by the API: the address that every link object carries."""

from __future__ import annotations

import struct

import httpx
import pytest
from dub import Dub

from dub_middleware.server import Server


def test_the_address_in_a_link_object_is_an_image(server: Server, base_url: str) -> None:
    link = server.store.links.create({"domain": "go.localhost", "key": "launch", "url": "https://shop.test/"})
    address = server.objects.qr_code(link).replace(server.options.base_url, base_url)
    answer = httpx.get(address, timeout=60)
    assert answer.headers["Content-Type"] == "image/png"
    width, height = struct.unpack(">II", answer.content[16:24])
    assert width == height >= 600


def test_the_sdk_draws_one(server: Server, base_url: str) -> None:
    with Dub(token=server.api_key, server_url=f"{base_url}/api") as dub:
        image = dub.qr_codes.get(request={"url": "https://go.test/a", "fg_color": "#ff0000", "level": "H"})
    assert "PNG" in image


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("", "invalid_type: url", id="no-url"),
        pytest.param("url=x", "invalid_format: url: Invalid URL", id="no-url-either"),
        pytest.param("url=https://a.test&size=9999", "too_big: size", id="size"),
        pytest.param("url=https://a.test&fgColor=red", "custom: fgColor: Invalid color", id="color"),
        pytest.param("url=https://a.test&level=X", "invalid_value: level", id="level"),
    ],
)
def test_what_cannot_be_drawn_is_refused(base_url: str, query: str, message: str) -> None:
    answer = httpx.get(f"{base_url}/api/qr?{query}", timeout=60)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(message)
