"""Two independent parsers see the same page with and without the tag, whatever the page and its chunks."""

from __future__ import annotations

import warnings
from typing import Any

import html5lib
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from dub_middleware.inject import Injection, Rewriting
from dub_middleware.inject import page as page_of

TAG = b'<script defer src="/_dub/s.js"></script>'
INJECTION = Injection(lambda nonce: TAG, "/_dub/s.js")
HEADERS = [("Content-Type", "text/html; charset=utf-8")]

TOKENS = [
    *b"<>!/?-='\" \n\f\0x&;".decode(),
    *(
        "<!doctype html>",
        "<!DOCTYPE",
        "<!--",
        "-->",
        "--!>",
        "<!-->",
        "<!--->",
        "<![CDATA[",
        "]]>",
        "<?xml?>",
        "</>",
    ),
    *("<html>", "<html lang=en>", "<html", "<HTML a='>'", "<html/>", "</html>", "<head>", "<HEAD >", "<head"),
    *(
        '<head a=">">',
        "<head/>",
        "</head>",
        "<header>",
        "<headx",
        "<body>",
        "<body",
        "</body>",
        "<br>",
        "</br>",
    ),
    *(
        "<title>",
        "</title>",
        "<meta charset=utf-8>",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<noscript>",
    ),
    *(
        "<template>",
        "</template>",
        "<p>",
        "</p>",
        "<p title='<head>'>",
        "<textarea>",
        "<frameset>",
        "<select>",
    ),
    *(
        "<svg>",
        "<math>",
        "<table>",
        " a=b",
        " a=",
        " =x",
        ' "',
        " '",
        "</p a='>'>",
        "</ x>",
        "\ufeff",
        "é",
        "text",
    ),
    *(
        "<base href=x>",
        "<link>",
        "<plaintext>",
        "<xmp>",
        "<iframe>",
        "<img>",
        "<!-- <head> -->",
        "<html \u26a1>",
    ),
]
SOUPS = st.builds(
    lambda start, rest: (start + "".join(rest)).encode(),
    st.sampled_from(
        ["", "<!doctype html>", "<!doctype html><html>", "\ufeff", "<!doctype html><html><head>"]
    ),
    st.lists(st.sampled_from(TOKENS), max_size=14),
)


def in_chunks(page: bytes, sizes: list[int]) -> bytes:
    found = page_of("200 OK", HEADERS)
    assert found is not None
    injector = Rewriting(INJECTION, found, HEADERS, TAG)
    out = []
    at = 0
    for size in sizes:
        out.append(injector.feed(page[at : at + size]))
        at += size
    out.append(injector.feed(page[at:]))
    out.append(injector.close())
    return b"".join(out)


@settings(max_examples=1500)
@given(SOUPS, st.lists(st.integers(0, 12), max_size=12))
def test_the_script_is_in_head_once_and_the_rest_of_the_tree_is_unchanged(
    page: bytes, sizes: list[int]
) -> None:
    out = in_chunks(page, sizes)
    if out == page:
        return
    assert out.replace(TAG, b"", 1) == page
    assert out.count(TAG) == 1 + page.count(TAG)
    assert lexbor(out, expect=True) == lexbor(page, expect=False)
    assert tree(out, expect=True) == tree(page, expect=False)


@settings(max_examples=1500)
@given(SOUPS, st.lists(st.integers(0, 12), max_size=12))
def test_chunks_make_no_difference(page: bytes, sizes: list[int]) -> None:
    assert in_chunks(page, sizes) == in_chunks(page, [])


def lexbor(page: bytes, *, expect: bool) -> str:
    parser = LexborHTMLParser(page.decode("utf-8-sig"))
    ours = parser.css('script[src="/_dub/s.js"]')
    assert len(ours) == expect
    for node in ours:
        assert node.parent is not None
        assert node.parent.tag == "head"
        node.decompose()
    return parser.html or ""


def tree(page: bytes, *, expect: bool) -> list[Any]:
    """The document as html5lib's tokens, ours taken out, text joined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # html5lib tells of NULs that its trees cannot hold
        parser = html5lib.HTMLParser(html5lib.getTreeBuilder("dom"))
        document = parser.parse(page.decode("utf-8-sig"))
    ours = [
        node for node in document.getElementsByTagName("script") if node.getAttribute("src") == "/_dub/s.js"
    ]
    assert len(ours) == expect
    for node in ours:
        assert node.parentNode.tagName == "head"
        node.parentNode.removeChild(node)
    tokens = [
        ("Characters", token["data"])
        if token["type"] in ("Characters", "SpaceCharacters")
        else (token["type"], token.get("name"), token.get("data"))
        for token in html5lib.getTreeWalker("dom")(document)
    ]
    joined: list[Any] = [parser.compatMode]
    for token in tokens:
        if token[0] == "Characters" and joined[-1][0] == "Characters":
            joined[-1] = ("Characters", joined[-1][1] + token[1])
        else:
            joined.append(token)
    return joined
