"""Requests that nobody made: crawlers, link previews, scripts, prefetches.

Words in the user agent tell most of them, much as on Dub's servers. Mended here: phones called CUBOT and the
browsers of search engines are people; referrers are looked at; so are the headers that browsers send with a
prefetch; and no user agent at all is no browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

_WORDS = """
    bot crawler crawling spider http scraper fetch curl wget python node- node/ node.js ruby/ chatgpt
    bluesky facebookexternalhit facebookplatform facebookcatalog meta-externalagent meta-externalads
    meta-externalfetcher meta-webindexer thirdlandingpagefeinfra whatsapp google baidu bing msn teoma
    slurp yandex metainspector iframely headless ia_archiver sogou skypeuripreview vkshare
    slack-imgproxy tumblr feedburner upptime hyperping cron-job internetmeasurement hosttracker expanse
    anthropic-ai claude-web claude-user perplexity omigili timpi shortlinktranslate embedly scrapy axios
    guzzle postman insomnia newman qwantify wayback heritrix nutch seokicks sistrix searchmetrics
    linkdex opensiteexplorer spyfu serpstat cognitiveseo seobility seositecheckup woorank gtmetrix
    pingdom statuscake site24x7 monitis gomez neustar catchpoint webpagetest speedcurve dareboost
    yellowlab linkcheck xenu scrutiny powermapper siteimprove monsido lighthouse phantomjs selenium
    puppeteer playwright prerender preview validator libwww lwp:: java/ undici deno/ bun/ urllib
    mechanize mastodon discourse flipboardproxy ms-office msoffice barracuda mimecast proofpoint urlscan
    virustotal zgrab masscan nmap nuclei nikto sqlmap feedly rssreader newsblur miniflux freshrss
    opengraph unfurl w3c_
"""
#: one of these anywhere in a lower-case user agent
WORDS = (*_WORDS.split(), "microsoft office")
#: words that stand alone; inside a user agent they are names of phones
_WHOLE = frozenset({"", "ruby", "node", "node.js"})
#: what contains such a word and is a person's all the same
_PEOPLE = re.compile(
    r"cubot[\w -]*"  # a maker of phones
    r"|google/google|googletv"  # Pixel phones in the user agents of apps such as Instagram
    r"|(?:bingsapphire|bingweb|baiduboxapp|baidubrowser|bidubrowser|yandexsearch|sogoumobilebrowser)[\w./-]*|\(baidu;"
    r"|msn (?:explorer|optimized)|tumblr/(?:iphone|ipad|android)[\w./ -]*",
)

_REFERRERS = """
    iframely.com metatags.io opengraph.xyz opengraph.io developers.facebook.com cards-dev.twitter.com
    pagespeed.web.dev search.google.com validator.w3.org linkpreview.net urlscan.io virustotal.com
    semalt.com buttons-for-website.com ranksonic.info darodar.com hulfingtonpost.com
"""
#: pages that check, preview or inspect links, and the commonest referrer spam
REFERRERS = frozenset(_REFERRERS.split())

#: headers of requests that a browser or proxy makes ahead of the person
_AHEAD = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")


def is_bot_agent(agent: str) -> bool:
    """Return whether a user agent is a program's own."""
    lowered = agent.lower()
    if lowered in _WHOLE:
        return True
    found = any(word in lowered for word in WORDS)
    if not found or not _PEOPLE.search(lowered):
        return found
    lowered = _PEOPLE.sub(" ", lowered)
    return any(word in lowered for word in WORDS)


def is_bot_request(environ: Mapping[str, Any], referer: str) -> bool:
    """Return whether anything but the user agent tells that no person clicked; ``referer`` is a host."""
    if environ.get("REQUEST_METHOD") == "HEAD" or referer in REFERRERS:
        return True
    if any(_is_ahead(environ.get(name, "")) for name in _AHEAD):
        return True
    query = environ.get("QUERY_STRING", "")
    return "bot=" in query and any(name == "bot" for name, _ in parse_qsl(query[:8192]))


def _is_ahead(purpose: str) -> bool:
    lowered = purpose.lower()
    return "prefetch" in lowered or "preview" in lowered or "prerender" in lowered
