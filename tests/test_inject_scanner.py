"""Where the tag goes, page by page, whole and in chunks of every small size."""

from __future__ import annotations

import pytest

from dub_middleware.inject import Injection, Rewriting, page
from dub_middleware.inject.injector import Beginnings, Injector

TAG = b"<S>"

# `|` is where the tag goes; a page without it is left alone
PAGES = {
    "doctype, html, head": b"<!doctype html><html lang=en><head>|<title>x</title>",
    "upper case": b"<!DOCTYPE HTML><HTML><HEAD>|<TITLE>x",
    "white space of every kind": b"\n\t\f\r <!doctype html>\n<html>\r\n<head>|\n<title>",
    "head only": b"<head>|</head>",
    "head with attributes": b"<head profile=x data-y='1' hidden>|<title>",
    "> in a quoted attribute of head": b'<head data-x="a>b">|<title>',
    "> in a single-quoted attribute of html": b"<html data-x='<head>'><head>|<title>",
    "quote inside an unquoted value": b'<html a=b"c><head>|<title>',
    "quote inside a name": b'<html a"b><head>|<title>',
    "name that begins with =": b"<html =a=b><head>|<title>",
    "= then >": b"<html a=><head>|<title>",
    "spaces around =": b"<html a = '>' ><head>|<title>",
    "value glued to the next attribute": b"<html a='x'b='>'><head>|<title>",
    "slash before >": b"<html/><head/>|<title>",
    "slash in an unquoted value": b"<html a=b/><head>|<title>",
    "space before >": b"<head >|<title>",
    "header is not head": b"<!doctype html>|<header>x</header>",
    "headline before a real head": b"<!doctype html>|<headline><head>",
    "head named in a comment": b"<!doctype html><!-- <head> --><html><head>|<title>",
    "comment ended by --!>": b"<!doctype html><!-- x --!><head>|<title>",
    "comment <!-->": b"<!doctype html><!--><head>|--><title>",
    "comment <!--->": b"<!doctype html><!---><head>|--><title>",
    "comment <!---->": b"<!doctype html><!----><head>|<title>",
    "dashes before the end of a comment": b"<!doctype html><!-- x -----><head>|<title>",
    "-- > does not end a comment": b"<!doctype html><!-- -- > <head> --><head>|<title>",
    "conditional comment": b"<!doctype html><!--[if IE]><html class=ie><![endif]--><html><head>|<title>",
    "downlevel-revealed conditional": b"<!doctype html><![if !IE]><html><![endif]><head>|<title>",
    "xml declaration": b"<?xml version='1.0'?><!doctype html><html><head>|<title>",
    "bogus comment": b"<!doctype html><!x <head>|<title>",
    "doctype ends at the first >": b'<!doctype html "a>|b"><head>',
    "doctype without a space": b"<!doctypehtml><head>|<title>",
    "doctype of XHTML": b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html><head>|<title>',
    "CDATA is a bogus comment": b"<!doctype html><![CDATA[<head>|]]><title>",
    "empty end tag vanishes": b"<!doctype html></><head>|<title>",
    "end tag of nothing is a comment": b"<!doctype html></ p><head>|<title>",
    "ignored end tag": b"<!doctype html></p title='>'><head>|<title>",
    "end tag that implies head": b"<!doctype html><html>|</head><body>",
    "</br> implies head": b"<!doctype html>|</br>",
    "</body> implies head": b"<!doctype html>|</body>",
    "BOM": b"\xef\xbb\xbf<!doctype html><head>|<title>",
    "second BOM is text": b"\xef\xbb\xbf<!doctype html>|\xef\xbb\xbf<head>",
    "no head tag": b"<!doctype html><html>|<body>x",
    "no head, no body tag": b"<!doctype html>|<title>x</title><p>y",
    "text right after the doctype": b"<!doctype html>|hello",
    "body only": b"|<body>x</body>",
    "html only, then text": b"<html>|hello",
    "NUL is text": b"<!doctype html>|\0<head>",
    "lone < is text": b"<!doctype html>|<1<head>",
    "a second html tag": b"<html><html lang=x><head>|<title>",
    "NUL in a tag name": b"<!doctype html>|<head\0><title>",
    "text before head": b"<!doctype html>|x<head>",
    "template": b"<!doctype html>|<template><head></template>",
    "fragment": b"<div>x</div>",
    "fragment with head inside": b"<div><head></div>",
    "text": b"hello <head>",
    "JSON called HTML": b'{"a": "<head>"}',
    "header element alone": b"<header>x</header>",
    "svg": b"<svg><head></svg>",
    "empty": b"",
    "white space only": b" \n ",
    "doctype only": b"<!doctype html>\n",
    "comment only": b"<!-- <head> -->",
    "unclosed comment": b"<!doctype html><!-- <head><body>",
    "unclosed head tag": b"<!doctype html><head data-x='><title>x</title>",
    "cut in a tag name": b"<!doctype html><hea",
    "AMP": b"<!doctype html><html amp><head><title>",
    "AMP by lightning": "<!doctype html><html lang=en \u26a1><head>".encode(),
    "AMP by lightning as an emoji": "<!doctype html><html \u26a1\ufe0f><head>".encode(),
    "AMP for email": "<!doctype html><html \u26a14email><head>".encode(),
    "AMP in upper case": b"<!doctype html><html AMP=''><head>",
    "UTF-16": "<!doctype html><head>".encode("utf-16"),
    "UTF-16 without a BOM": "<!doctype html><head>".encode("utf-16-le"),
    "gzip": b"\x1f\x8b\x08\0\0",
}
NOT_AMP = {"lamp": b"<html data-amp lamp=amp><head>|"}


@pytest.fixture(params=[1, 2, 3, 5, 7, 16, 1 << 20], ids=lambda size: f"chunks of {size}")
def size(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def inject(chunks: list[bytes], **options: object) -> list[bytes]:
    injector = Injector(TAG, **options)  # type: ignore[arg-type]
    return [*(injector.feed(chunk) for chunk in chunks), injector.close()]


def cut(page: bytes, size: int) -> list[bytes]:
    return [page[at : at + size] for at in range(0, len(page), size)]


@pytest.mark.parametrize("marked", (PAGES | NOT_AMP).values(), ids=(PAGES | NOT_AMP).keys())
def test_the_tag_goes_where_the_parser_creates_head(marked: bytes, size: int) -> None:
    page = marked.replace(b"|", b"")
    assert b"".join(inject(cut(page, size))) == marked.replace(b"|", TAG)


def rewritten(injection: Injection, chunks: list[bytes]) -> bytes:
    headers = [("Content-Type", "text/html; charset=utf-8")]
    found = page("200 OK", headers)
    assert found is not None
    rewriting = Rewriting(injection, found, headers, TAG)
    return b"".join([*map(rewriting.feed, chunks), rewriting.close()])


@pytest.mark.parametrize("marked", PAGES.values(), ids=PAGES.keys())
def test_a_beginning_that_was_seen_before_gives_the_same_answer(marked: bytes, size: int) -> None:
    injection = Injection(lambda nonce: TAG, "/s.js")
    for tail in (b"", b"x", b"<body>"):
        whole = marked.replace(b"|", b"") + tail
        cold = b"".join(inject([whole]))
        for _ in range(2):
            assert rewritten(injection, cut(whole, size)) == cold
            assert rewritten(injection, [whole]) == cold


def test_pages_that_share_a_beginning_are_told_apart() -> None:
    injection = Injection(lambda nonce: TAG, "/s.js")
    pages = [
        b"<!doctype html><head>",
        b"<!doctype html><header>",
        b"<!doctype html><head a='>'>",
        b"<!doctype html>",
    ]
    for _ in range(3):
        for whole in pages:
            assert rewritten(injection, [whole, b"."]) == b"".join(inject([whole, b"."]))


def test_remembered_beginnings_are_bounded() -> None:
    injection = Injection(lambda nonce: TAG, "/s.js")
    for number in range(100):
        rewritten(injection, [b"<html id=%d><head>" % number])
    rewritten(injection, [b"<html id=%s><head>" % (b"x" * 2000)])
    known = injection.beginnings.known
    assert len(known) == Beginnings.LIMIT
    assert all(len(beginning.prefix) <= Beginnings.MAX_BYTES for beginning in known)


@pytest.mark.parametrize("marked", PAGES.values(), ids=PAGES.keys())
def test_nothing_is_held_but_an_unfinished_token(marked: bytes, size: int) -> None:
    injector = Injector(TAG)
    seen = sent = b""
    for chunk in cut(marked.replace(b"|", b""), size):
        seen += chunk
        sent += injector.feed(chunk)
        held = seen[len(sent.replace(TAG, b"")) :]
        assert held.startswith(b"<") or held in (b"", b"-", b"--", b"--!", b"\xef", b"\xef\xbb")


def test_comments_are_passed_on_as_they_come() -> None:
    injector = Injector(TAG)
    assert injector.feed(b"<!doctype html><!-- a long story") == b"<!doctype html><!-- a long story"
    assert injector.feed(b" goes on -") == b" goes on "
    assert injector.feed(b"- and on --") == b"-- and on "
    assert injector.feed(b"><head>") == b"--><head><S>"


def test_a_tag_of_the_template_is_not_doubled() -> None:
    injection = Injection(lambda nonce: TAG, "/s.js", marker=b"/_dub/script")
    without = b"<!doctype html><head><title>x</title>" + b"x" * 1200
    having = without.replace(b"</title>", b"</title><script src='/_dub/script.js'></script>")
    for _ in range(2):
        for short in (40, 100, len(having)):
            assert rewritten(injection, [having[:short]]).count(TAG) == (short == 40)
        assert rewritten(injection, [without]) == without.replace(b"<head>", b"<head>" + TAG)
        assert rewritten(injection, [without[:60]]) == without[:60].replace(b"<head>", b"<head>" + TAG)


def test_a_tag_that_never_ends_is_given_up() -> None:
    injector = Injector(TAG)
    first = injector.feed(b"<!doctype html><head x='" + b"y" * 9000)
    assert len(first) > 9000
    assert injector.settled
    assert not injector.injected


CHARSETS = {
    "early meta": b"<head>|<meta charset=utf-8>",
    "meta that is late already": b"<head>|<!--" + b"x" * 1030 + b"--><meta charset=utf-8>",
    "behind a comment": b"<head><!--" + b"x" * 950 + b"--><meta charset=utf-8>|<title>",
    "behind a script": b"<head><script>/*" + b"x" * 940 + b"*/</script><meta charset=utf-8>|",
    "behind a style and a link": b"<head><link href=x><style>"
    + b"x" * 920
    + b"</style><meta charset=utf-8>|",
    "http-equiv": b"<head><title>"
    + b"x" * 900
    + b"</title><meta http-equiv=Content-Type content='text/html; charset=x'>|",
    "named in a script": b"<head>|<script>/*" + b"x" * 960 + b"*/'<meta charset=utf-8>'</script>",
    "behind a script with a comment": b"<head>|<script><!--" + b"x" * 940 + b"</script><meta charset=utf-8>",
    "named in a title": b"<head>|<title><meta charset=utf-8>" + b"x" * 940 + b"</title><p>",
    "in noscript": b"<head>|<noscript>" + b"x" * 950 + b"<meta charset=utf-8></noscript>",
    "not there yet": b"<head>|<title>",
}


@pytest.mark.parametrize("marked", CHARSETS.values(), ids=CHARSETS.keys())
def test_the_charset_stays_in_sight(marked: bytes) -> None:
    tag = b"<script defer src='/_dub/script.0123456789abcdef.js' data-domains='{}'></script>"
    injector = Injector(tag, sniffed=True)
    assert injector.feed(marked.replace(b"|", b"")) == marked.replace(b"|", tag)


def test_a_charset_by_header_leaves_the_place_alone() -> None:
    page = b"<head><title>" + b"x" * 990 + b"</title><meta charset=utf-8>"
    assert inject([page]) == [page.replace(b"<head>", b"<head>" + TAG), b""]
