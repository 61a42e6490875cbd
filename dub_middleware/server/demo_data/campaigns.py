"""What the demo data is made of: links and how they do, where people are, what they use and pay."""

from __future__ import annotations

from dataclasses import dataclass

from dub_middleware.server.store.models import DIRECT


@dataclass(frozen=True, slots=True)
class Campaign:
    """A link and how it does: ``weight`` its share of clicks, ``appeal`` how well its visitors convert."""

    key: str
    path: str
    weight: float
    appeal: float
    referers: tuple[str, ...]
    utm: tuple[str, str, str] | None = None
    is_qr: bool = False
    peak: int | None = None  # days ago, for links with one great day


CAMPAIGNS = (
    Campaign("launch", "/", 22, 1.0, ("news.ycombinator.com", DIRECT, "t.co"), peak=38),
    Campaign(
        "newsletter", "/pricing", 16, 1.7, (DIRECT, "mail.google.com"), ("newsletter", "email", "weekly")
    ),
    Campaign(
        "search", "/", 15, 1.1, ("google.com", "bing.com", "duckduckgo.com"), ("google", "cpc", "brand")
    ),
    Campaign("youtube", "/tour", 12, 0.8, ("youtube.com",), ("youtube", "video", "review"), peak=17),
    Campaign("linkedin", "/teams", 9, 1.3, ("linkedin.com", "lnkd.in"), ("linkedin", "social", "teams")),
    Campaign("podcast", "/podcast", 8, 1.4, (DIRECT,), ("podcast", "audio", "episode-12")),
    Campaign("docs", "/docs", 7, 0.5, ("github.com", "stackoverflow.com", "google.com")),
    Campaign("poster", "/hello", 6, 0.6, (DIRECT,), ("poster", "print", "fair"), is_qr=True, peak=61),
    Campaign("friends", "/invite", 5, 2.2, (DIRECT, "wa.me", "t.co"), ("referral", "social", "invite")),
)
#: (country, region, city, continent), hours from UTC → weight
PLACES = {
    (("US", "US-CA", "San Francisco", "NA"), -8): 26,
    (("US", "US-NY", "New York", "NA"), -5): 14,
    (("DE", "DE-BE", "Berlin", "EU"), 1): 11,
    (("GB", "GB-ENG", "London", "EU"), 0): 10,
    (("IN", "IN-KA", "Bengaluru", "AS"), 5.5): 9,
    (("FR", "FR-IDF", "Paris", "EU"), 1): 7,
    (("BR", "BR-SP", "São Paulo", "SA"), -3): 5,
    (("CA", "CA-ON", "Toronto", "NA"), -5): 5,
    (("JP", "JP-13", "Tokyo", "AS"), 9): 4,
    (("NL", "NL-NH", "Amsterdam", "EU"), 1): 3,
    (("AU", "AU-NSW", "Sydney", "OC"), 10): 3,
    (("NG", "NG-LA", "Lagos", "AF"), 1): 2,
}
MOBILES = {
    ("Mobile", "Mobile Safari", "iOS"): 17,
    ("Mobile", "Chrome", "Android"): 15,
    ("Tablet", "Mobile Safari", "iOS"): 3,
}
#: device, browser, system → weight
DEVICES = {
    ("Desktop", "Chrome", "Mac OS"): 30,
    ("Desktop", "Chrome", "Windows"): 22,
    ("Desktop", "Firefox", "Linux"): 7,
    ("Desktop", "Edge", "Windows"): 6,
    ("Desktop", "Safari", "Mac OS"): 6,
    **MOBILES,
}
#: cents → weight, and what they buy
PRICES = {1900: 48, 4900: 32, 9900: 14, 29900: 6}
PLANS = {1900: "starter", 4900: "pro", 9900: "business", 29900: "enterprise"}
