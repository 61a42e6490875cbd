"""Compressed pages are opened, injected and closed again as a stream."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib

import pytest

from dub_middleware.inject import Injection, Rewriting, page

TAG = b"<script src=x></script>"
PAGE = b"<!doctype html><head><title>x</title>" + b"<p>lorem ipsum</p>" * 400
INJECTED = PAGE.replace(b"<head>", b"<head>" + TAG)


def raw_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


CODINGS = {
    "gzip": ("gzip", gzip.compress, gzip.decompress),
    "x-gzip": ("X-GZIP", gzip.compress, gzip.decompress),
    "deflate": ("deflate", zlib.compress, zlib.decompress),
    "deflate without a header": ("deflate", raw_deflate, lambda data: zlib.decompress(data, -15)),
}


def begin(coding: str) -> Rewriting:
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Encoding", coding)]
    found = page("200 OK", headers)
    assert found is not None
    return Rewriting(Injection(lambda nonce: TAG, "/s.js"), found, headers, TAG)


def send(coding: str, body: bytes, size: int) -> bytes:
    rewriting = begin(coding)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join([*map(rewriting.feed, chunks), rewriting.close()])


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize(("coding", "encode", "decode"), CODINGS.values(), ids=CODINGS.keys())
class TestEveryCoding:
    def test_the_page_has_the_tag(self, coding, encode, decode, size) -> None:  # type: ignore[no-untyped-def]
        assert decode(send(coding, encode(PAGE), size)) == INJECTED

    def test_a_fragment_keeps_its_text(self, coding, encode, decode, size) -> None:  # type: ignore[no-untyped-def]
        assert decode(send(coding, encode(b"<div>x</div>" * 99), size)) == b"<div>x</div>" * 99

    def test_an_empty_page_stays_empty(self, coding, encode, decode, size) -> None:  # type: ignore[no-untyped-def]
        assert decode(send(coding, encode(b""), size)) == b""

    def test_a_page_that_is_not_what_it_says_passes(self, coding, encode, decode, size) -> None:  # type: ignore[no-untyped-def]
        assert send(coding, b"\xff<!doctype html>", size) == b"\xff<!doctype html>"

    def test_a_page_cut_short_stays_cut_short(self, coding, encode, decode, size) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises((EOFError, zlib.error)):
            decode(send(coding, encode(PAGE)[:-9], size))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_fragment_passes_as_the_same_bytes(coding: str) -> None:
    body = (gzip.compress if coding == "gzip" else zlib.compress)(b"<div>x</div>" * 99)
    rewriting = begin(coding)
    assert rewriting.feed(body) == body
    assert rewriting.is_settled


def test_members_behind_the_first_are_read() -> None:
    body = gzip.compress(PAGE[:100]) + gzip.compress(PAGE[100:]) + b"\0\0\0"
    assert gzip.decompress(send("gzip", body, 50)) == INJECTED


def test_the_gzip_header_is_the_apps() -> None:
    """Django puts a random file name there against BREACH."""
    compressed = gzip.compress(PAGE, mtime=0)
    named = compressed[:3] + b"\x08" + compressed[4:10] + b"aaaaaaaaaaaa\0" + compressed[10:]
    for size in (1, 11, len(named)):
        out = send("gzip", named, size)
        assert out[:23] == named[:23]
        assert gzip.decompress(out) == INJECTED


def test_a_streamed_page_still_streams() -> None:
    encoder = zlib.compressobj(wbits=31)
    decoder = zlib.decompressobj(31)
    rewriting = begin("gzip")
    seen = b""
    for number in range(20):
        part = b"<!doctype html><head>" if number == 0 else b"<p>part %d</p>" % number
        item = encoder.compress(part) + encoder.flush(zlib.Z_SYNC_FLUSH)
        seen += decoder.decompress(rewriting.feed(item))
        assert seen.endswith(part if number else TAG)


def test_a_bomb_is_defused_piece_by_piece() -> None:
    encoder = zlib.compressobj(9, wbits=31)
    bomb = encoder.compress(b"<!doctype html><head>" + bytes(60_000_000)) + encoder.flush()
    rewriting = begin("gzip")
    tracemalloc.start()
    try:
        out = rewriting.feed(bomb) + rewriting.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000
    assert zlib.decompressobj(31).decompress(out, 100).startswith(b"<!doctype html><head>" + TAG)


def test_noise_never_raises() -> None:
    generator = random.Random(7)
    for coding in ("gzip", "deflate"):
        for _ in range(300):
            body = bytearray(gzip.compress(PAGE) if coding == "gzip" else zlib.compress(PAGE))
            for _ in range(generator.randrange(1, 9)):
                body[generator.randrange(len(body))] = generator.randrange(256)
            send(coding, bytes(body), generator.choice((1, 10, 1000)))
