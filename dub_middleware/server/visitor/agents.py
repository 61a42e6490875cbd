"""Device, browser and operating system of a user agent, in the words that Dub's analytics use.

A small classifier of our own is enough for most. With the extra ``ua`` installed, ``ua-parser`` knows
the rarer browsers and systems as well; its names are turned into the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dub_middleware.server.store.models import UNKNOWN
from dub_middleware.server.visitor.bots import is_bot_agent

parse_user_agent: Callable[[str], Any] | None
parse_os: Callable[[str], Any] | None
try:
    from ua_parser import parse_os, parse_user_agent
except ImportError:  # the extra is not installed
    parse_os = parse_user_agent = None


@dataclass(frozen=True, slots=True)
class Agent:
    """What a user agent tells."""

    device: str = "Desktop"
    browser: str = UNKNOWN
    os: str = UNKNOWN
    is_bot: bool = False


#: the first pattern found names it; apps and their web views come before the browsers they are built from
_BROWSERS = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"FBA[NV]|FB_IAB", "Facebook"),
        (r"Instagram", "Instagram"),
        (r"musical_ly|BytedanceWebview|TikTok|trill_", "TikTok"),
        (r"LinkedInApp", "LinkedIn"),
        (r"Snapchat", "Snapchat"),
        (r"MicroMessenger", "WeChat"),
        (r"KAKAOTALK", "KakaoTalk"),
        (r"\bLine/", "Line"),
        (r"Pinterest/|\[Pinterest", "Pinterest"),
        (r"Twitter for|TwitterAndroid", "Twitter"),
        (r"\bGSA/", "GSA"),
        (r"\bEdg(?:e|A|iOS)?/", "Edge"),
        (r"\bOPR/|\bOPT/|\bOPX/|Opera", "Opera"),
        (r"SamsungBrowser|SMART-TV.*Tizen", "Samsung Internet"),
        (r"YaBrowser|YandexSearch", "Yandex"),
        (r"Vivaldi", "Vivaldi"),
        (r"UC ?Browser", "UCBrowser"),
        (r"MiuiBrowser", "MIUI Browser"),
        (r"HuaweiBrowser", "Huawei Browser"),
        (r"HeyTapBrowser", "HeyTap"),
        (r"VivoBrowser", "Vivo Browser"),
        (r"M?QQBrowser", "QQBrowser"),
        (r"baiduboxapp|baidubrowser|BIDUBrowser", "Baidu"),
        (r"Whale/", "Whale"),
        (r"DuckDuckGo/|\bDdg/", "DuckDuckGo"),
        (r"Brave/", "Brave"),
        (r"\bSilk/", "Silk"),
        (r"Electron/", "Electron"),
        (r"\bFocus/|\bKlar/", "Firefox Focus"),
        (r"FxiOS|Firefox/", "Firefox"),
        (r"MSIE |Trident/", "IE"),
        (r"; wv\)", "Chrome WebView"),
        (r"Chromium/", "Chromium"),
        (r"HeadlessChrome", "Chrome Headless"),
        (r"CriOS|Chrome/", "Chrome"),
        (r"Version/.* Mobile.*Safari|(?:iPhone|iPad|iPod).*Safari/", "Mobile Safari"),
        (r"Version/.* Safari|Macintosh.*Safari/", "Safari"),
        (r"(?:iPhone|iPad|iPod|Macintosh).*AppleWebKit", "WebKit"),
        (r"Android.*AppleWebKit", "Android Browser"),
    )
]
_SYSTEMS = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"Xbox", "Xbox"),
        (r"PlayStation", "PlayStation"),
        (r"Nintendo", "Nintendo"),
        (r"Windows Phone", "Windows Phone"),
        (r"Windows|Win(?:95|98|32)", "Windows"),
        (r"iPhone|iPad|iPod|AppleTV|CFNetwork.*Darwin", "iOS"),
        (r"Web0S|webOS|SmartTV; LG", "webOS"),
        (r"Tizen", "Tizen"),
        (r"KAIOS", "KAIOS"),
        (r"HarmonyOS|OpenHarmony", "HarmonyOS"),
        (r"Android", "Android"),
        (r"CrOS", "Chromium OS"),
        (r"Mac ?OS|Macintosh", "Mac OS"),
        (r"Ubuntu", "Ubuntu"),
        (r"Fedora", "Fedora"),
        (r"Linux|X11", "Linux"),
    )
]
_DEVICES = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"Xbox|PlayStation|Nintendo", "Console"),
        (r"SMART-?TV|SmartTV|Web0S|AppleTV|GoogleTV|BRAVIA|\bAFT[A-Z]|CrKey|HbbTV|Roku", "Smarttv"),
        (r"Watch|SM-R\d{3}", "Wearable"),
        (
            r"iPad|Tablet|PlayBook|\bSilk/(?!.*Mobile)|^(?!.*(?:Mobi|Mini)).*Android|SM-[TX]\d{3}|Kindle",
            "Tablet",
        ),
        (r"Mobi|iPhone|iPod|Windows Phone|IEMobile|Opera Mini|Android|KAIOS|CFNetwork.*Darwin", "Mobile"),
    )
]
#: ua-parser's names where they differ from Dub's
_FAMILIES = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome WebView",
    "HeadlessChrome": "Chrome Headless",
    "Mobile Safari UI/WKWebView": "WebKit",
    "Apple Mail": "WebKit",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Opera Mobile": "Opera",
    "Opera Mini": "Opera",
    "Opera Touch": "Opera",
    "Opera GX": "Opera",
    "IE Mobile": "IE",
    "Yandex Browser": "Yandex",
    "YandexBrowser": "Yandex",
    "UC Browser": "UCBrowser",
    "MiuiBrowser": "MIUI Browser",
    "QQ Browser": "QQBrowser",
    "QQ Browser Mobile": "QQBrowser",
    "Android": "Android Browser",
    "Amazon Silk": "Silk",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "Google": "GSA",
    "Mac OS X": "Mac OS",
    "Chrome OS": "Chromium OS",
    "tvOS": "iOS",
    "ATV OS X": "iOS",
    "KaiOS": "KAIOS",
}


#: answers of ours that ua-parser may know better: the engine rather than the browser
_GENERIC = frozenset(
    (None, "Chrome", "Chrome WebView", "Safari", "Mobile Safari", "WebKit", "Android Browser", "Linux")
)


@lru_cache(maxsize=4096)
def classify(agent: str) -> Agent:
    """Return what the text of a User-Agent header tells; remembers the last few thousand."""
    browser, system = _first(_BROWSERS, agent), _first(_SYSTEMS, agent)
    if parse_user_agent is not None and parse_os is not None:
        browser = _better(browser, parse_user_agent(agent))
        system = _better(system, parse_os(agent))
    return Agent(
        device=_first(_DEVICES, agent) or "Desktop",
        browser=browser or UNKNOWN,
        os=system or UNKNOWN,
        is_bot=is_bot_agent(agent),
    )


def _first(patterns: list[tuple[re.Pattern[str], str]], agent: str) -> str | None:
    return next((name for pattern, name in patterns if pattern.search(agent)), None)


def _better(ours: str | None, theirs: Any) -> str | None:
    if ours not in _GENERIC or theirs is None or theirs.family == "Other":
        return ours
    family: str = theirs.family
    return _FAMILIES.get(family, family)
