"""The pages that change things: links, customers, webhooks, settings, install."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client, TestResponse

from dub_middleware import DubMiddleware
from dub_middleware.server.app import Server
from dub_middleware.server.demo_data import make_demo
from dub_middleware.server.store import Context, CustomerDetails, Link
from standing_clock import Clock
from stub_http import Reply, Request, StubServer
from waiting import wait_until
from wsgi_server import serving

if TYPE_CHECKING:
    from conftest import Record

HTML = {"Accept": "text/html"}
HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture
def options() -> dict[str, Any]:
    return {"private_receivers": True}


@pytest.fixture
def receiver() -> Iterator[StubServer]:
    with StubServer() as running:
        yield running


def get(client: Client, path: str) -> TestResponse:
    return client.get(path, headers=HTML)


def post(client: Client, path: str, **fields: Any) -> TestResponse:
    return client.post(path, data=fields, headers=HTML)


def new_link(client: Client, server: Server, **fields: Any) -> Link:
    answer = post(client, "/links/new", **{"url": "shop.test/pricing", "domain": "go.localhost"} | fields)
    assert answer.status_code == 303, re.findall(r'class="error"[^>]*>.*?</p>', answer.text)
    link_id = answer.headers["Location"].partition("?")[0].rpartition("/")[2]
    link = server.store.links.get(link_id)
    assert link is not None
    return link


def test_a_link_is_made_changed_archived_and_deleted(client: Client, server: Server) -> None:
    link = new_link(
        client, server, key="launch", track_conversion="1", utm_source="news letter", password="x"
    )
    assert link.url == "https://shop.test/pricing?utm_source=news%20letter"
    assert (link.track_conversion, link.password, link.utm_medium) == (True, "x", None)
    page = get(client, f"/links/{link.id}").text
    assert 'value="https://shop.test/pricing"' in page, "campaign parameters have fields of their own"
    assert 'value="news letter"' in page

    changed = post(
        client, f"/links/{link.id}", url="https://shop.test/new", domain="go.localhost", key="launch2"
    )
    assert changed.headers["Location"] == f"/links/{link.id}?done=saved"
    assert "Saved." in get(client, changed.headers["Location"]).text
    now = server.store.links.get(link.id)
    assert now is not None
    assert (now.url, now.key, now.track_conversion, now.password) == (
        "https://shop.test/new",
        "launch2",
        False,
        None,
    )

    post(client, f"/links/{link.id}/archive", archived="1")
    assert "launch2" not in get(client, "/links").text
    assert "launch2" in get(client, "/links?archived=1").text
    assert post(client, f"/links/{link.id}/delete").headers["Location"] == "/links?done=deleted"
    assert get(client, f"/links/{link.id}").status_code == 404
    assert post(client, f"/links/{link.id}/delete").status_code == 404


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"url": ""}, "Missing destination URL", id="no-url"),
        pytest.param({"url": "javascript:alert(1)"}, "Invalid destination URL", id="script"),
        pytest.param({"key": "taken"}, "Duplicate key: This short link already exists.", id="taken"),
        pytest.param({"key": "robots.txt"}, "reserved path", id="reserved"),
        pytest.param({"domain": "other.test"}, "Domain does not belong to workspace.", id="domain"),
        pytest.param({"expires_at": "soon"}, "Invalid expiration date.", id="expiry"),
    ],
)
def test_a_link_that_cannot_be_is_refused_beside_its_field(
    client: Client, server: Server, fields: dict[str, str], message: str
) -> None:
    new_link(client, server, key="taken")
    answer = post(
        client, "/links/new", **{"url": "shop.test", "domain": "go.localhost", "comments": "kept"} | fields
    )
    assert answer.status_code == 422
    assert message in answer.text
    assert 'class="error"' in answer.text
    assert "kept" in answer.text, "what was typed is still there"
    assert server.store.links.count() == 1


def test_a_link_expires_by_the_clock_of_who_makes_it(client: Client, server: Server) -> None:
    client.set_cookie("dub_tz", "Asia/Kathmandu")
    link = new_link(client, server, key="launch", expires_at="2026-06-01T12:00", zone="Asia/Kathmandu")
    assert link.expires_at == datetime(2026, 6, 1, 6, 15, tzinfo=timezone.utc)
    page = get(client, f"/links/{link.id}").text
    assert "Expires (Kathmandu time)" in page
    assert 'value="2026-06-01T12:00"' in page
    client.set_cookie("dub_tz", "UTC")
    assert 'value="2026-06-01T06:15"' in get(client, f"/links/{link.id}").text
    refused = post(client, "/links/new", url="", expires_at="2026-06-01T12:00", zone="Asia/Kathmandu")
    assert 'value="2026-06-01T12:00"' in refused.text, "what was typed is still there"


def test_links_are_found_sorted_and_paged(client: Client, server: Server) -> None:
    for number in range(55):
        server.store.links.create(
            {"domain": "go.localhost", "key": f"k{number}", "url": "https://shop.test/"}
        )
    hot = server.store.links.find("go.localhost", "k7")
    assert hot is not None
    server.store.record_click(hot, Context(url=hot.url))
    assert client.get("/links.json?q=k54").json["total"] == 1
    by_clicks = client.get("/links.json?sort=clicks").json
    assert (by_clicks["total"], len(by_clicks["links"]), by_clicks["links"][0]["key"]) == (55, 50, "k7")
    assert len(client.get("/links.json?page=2").json["links"]) == 5
    assert 'rel="prev"' in get(client, "/links?page=2").text
    for odd in ("page=x", "page=-1", "page=99999999999", "sort=nothing", "q=%00%ff"):
        assert get(client, f"/links?{odd}").status_code == 200


def test_a_qr_code_says_the_short_link(client: Client, server: Server) -> None:
    link = new_link(client, server, key="launch")
    png = client.get(f"/links/{link.id}/qr.png?download=1")
    assert png.mimetype == "image/png"
    assert png.headers["Content-Disposition"] == 'attachment; filename="go.localhost-launch.png"'
    assert png.data.startswith(b"\x89PNG")
    assert zlib.crc32(png.data) == zlib.crc32(client.get(f"/links/{link.id}/qr.png").data)
    svg = client.get(f"/links/{link.id}/qr.svg")
    assert svg.mimetype == "image/svg+xml"
    assert "style=" not in svg.text
    assert client.get(f"/links/{link.id}/qr.gif").status_code == 404


def test_what_people_type_is_text_everywhere(client: Client, server: Server, receiver: StubServer) -> None:
    tag = server.store.workspace.add_tag(HOSTILE, "red")
    link = new_link(client, server, key="launch", comments=HOSTILE, utm_source=HOSTILE, tag_ids=tag.id)
    click = server.store.record_click(link, Context(url=link.url, referer=HOSTILE)).click_id
    server.store.record_lead(
        CustomerDetails(external_id=HOSTILE, name=HOSTILE),
        HOSTILE,
        click_id=click,
        metadata={HOSTILE: HOSTILE},
    )
    customer = server.store.customers.get_by_external_id(HOSTILE)
    assert customer is not None
    webhook = server.store.webhooks.create(HOSTILE, f"{receiver.url}/{HOSTILE}", ["lead.created"])
    server.store.keys.create(name=HOSTILE)
    pages = (
        "/links",
        f"/links/{link.id}",
        "/customers",
        f"/customers/{customer.id}",
        "/settings",
        "/webhooks",
    )
    for path in (*pages, f"/webhooks/{webhook.id}", "/customers?q=%3Cscript%3Ealert(1)%3C/script%3E"):
        page = get(client, path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text, path
        assert "&lt;script&gt;alert" in page.text, path


def test_customers_are_those_who_have_bought_or_have_not_by_a_link(client: Client, server: Server) -> None:
    launch, other = (new_link(client, server, key=key) for key in ("launch", "other"))
    for name, link in (("ada", launch), ("bob", launch), ("cyd", other)):
        click = server.store.record_click(link, Context(url=link.url), identity=name).click_id
        server.store.record_lead(CustomerDetails(external_id=name), "Sign up", click_id=click)
    server.store.record_sale(CustomerDetails(external_id="ada"), 4900, "usd", invoice_id="inv_1")

    def found(query: str) -> tuple[int, set[str]]:
        answer = client.get(f"/customers.json?{query}").json
        return answer["total"], {customer["externalId"] for customer in answer["customers"]}

    assert found("bought=yes") == (1, {"ada"})
    assert found("bought=no") == (2, {"bob", "cyd"})
    assert found(f"bought=no&link_id={launch.id}") == (1, {"bob"})
    assert found("bought=perhaps")[0] == 3
    assert "Came by go.localhost/launch" in get(client, f"/customers?link_id={launch.id}").text
    funnel = get(client, f"/?view=funnel&link_id={launch.id}").text
    assert f'href="/customers?bought=no&amp;link_id={launch.id}"' in funnel


def test_the_funnel_leads_to_those_who_went_no_further(client: Client, record: Record) -> None:
    clicked, signed_up = record(), record(customer="bob")
    record(customer="ada", amount=4900)
    funnel = unescape(get(client, "/?view=funnel&interval=7d&country=DE").text)
    for label, kind, left in (
        ("Clicks without a lead", "click", clicked),
        ("Leads without a sale", "lead", signed_up),
    ):
        address = re.search(rf'<a href="([^"]+)">{label}</a>', funnel)
        assert address is not None
        listed = client.get(address[1], headers={"Accept": "application/json"}).json
        assert listed is not None
        assert [(event["event"], event["click"]["id"]) for event in listed["events"]] == [(kind, left)]
        assert {name: chosen["values"] for name, chosen in listed["filters"].items()} == {
            "country": ["DE"],
            "reached": [kind],
        }
    assert "interval=7d" in address[1]
    assert "Furthest step" in get(client, address[1]).text
    refused = client.get("/events.json?reached=moon")
    assert refused.status_code == 400
    assert "reached is 'moon'; allowed are click, lead, sale." in refused.text


def test_a_customer_is_shown_from_click_to_sale(client: Client, server: Server, clock: Clock) -> None:
    link = new_link(client, server, key="launch")
    click = server.store.record_click(link, Context(url=link.url, country="DE", browser="Firefox")).click_id
    ada = CustomerDetails(external_id="42", name="Ada", email="ada@shop.test")
    clock.advance(minutes=5)
    server.store.record_lead(ada, "Sign up", click_id=click)
    clock.advance(days=3)
    server.store.record_sale(ada, 4900, "usd", invoice_id="inv_1")
    found = client.get("/customers.json?q=ada").json
    assert found["total"] == 1
    customer_id = found["customers"][0]["id"]
    page = get(client, f"/customers/{customer_id}").text
    for part in (
        "Clicked go.localhost/launch",
        "5 minutes later",
        "Sign up",
        "3 days later",
        "$49.00",
        "inv_1",
    ):
        assert part in page
    assert "3 days after the click" in page
    assert page.index("Clicked") < page.index("5 minutes later") < page.index("$49.00")
    journey = client.get(f"/customers/{customer_id}.json").json["journey"]
    assert [event["type"] for event in journey] == ["click", "lead", "sale"]
    assert get(client, "/customers/cus_none").status_code == 404


def test_a_webhook_is_made_tried_resent_disabled_and_deleted(
    client: Client, server: Server, receiver: StubServer
) -> None:
    wrong = post(client, "/webhooks/new", name="", url="ftp://x", triggers="nothing")
    assert wrong.status_code == 422
    assert wrong.text.count('class="error"') == 3
    made = post(client, "/webhooks/new", name="Shop", url=f"{receiver.url}/hook?a=b", triggers="lead.created")
    address = made.headers["Location"].partition("?")[0]
    webhook_id = address.rpartition("/")[2]
    post(client, f"{address}/test", trigger="sale.created")
    receiver.wait_for_requests(1)
    (entry,) = wait_until(lambda: server.store.webhooks.deliveries(webhook_id))
    page = get(client, address).text
    assert "sale.created" in page
    assert "&#34;invoiceId&#34;: &#34;sample-invoice-1&#34;" in page, "the body is there to read"
    assert "&#34;ok&#34;: true" in page, "and the answer"
    post(client, f"{address}/deliveries/{entry.pk}")
    receiver.wait_for_requests(2)
    assert receiver.requests[0].body == receiver.requests[1].body
    assert receiver.requests[0].path == "/hook?a=b"
    post(client, f"{address}/state", disabled="1")
    assert "Enable" in get(client, address).text
    assert "whsec_" not in client.get("/webhooks.json").text
    assert post(client, f"{address}/test", trigger="x").status_code == 400
    assert post(client, f"{address}/deliveries/999").status_code == 404
    post(client, address, name="Shop 2", url=receiver.url, triggers=["link.clicked", "link.created"])
    changed = server.store.webhooks.get(webhook_id)
    assert changed is not None
    assert changed.triggers == ("link.created", "link.clicked")
    post(client, f"{address}/delete")
    assert get(client, address).status_code == 404
    assert server.store.webhooks.deliveries(webhook_id) == []


def test_a_webhook_may_be_for_some_links_only(client: Client, server: Server, receiver: StubServer) -> None:
    launch, other = (new_link(client, server, key=key) for key in ("launch", "other"))
    fields = {"name": "Shop", "url": receiver.url, "triggers": "link.clicked"}
    wrong = post(client, "/webhooks/new", **fields, links="go.localhost/nothing")
    assert "There is no short link go.localhost/nothing." in wrong.text
    made = post(client, "/webhooks/new", **fields, links="http://go.localhost:8787/launch")
    address = made.headers["Location"].partition("?")[0]
    assert ">go.localhost/launch</textarea>" in get(client, address).text
    for link in (other, launch):
        server.store.record_click(link, Context(url=link.url))
    receiver.wait_for_requests(1)
    wait_until(lambda: server.webhooks.pending() == 0)
    assert [request.json()["data"]["link"]["key"] for request in receiver.requests] == ["launch"]
    post(client, address, **fields, links="")
    changed = server.store.webhooks.get(address.rpartition("/")[2])
    assert changed is not None
    assert changed.link_ids is None


def test_a_key_is_shown_once_and_works_until_it_is_revoked(client: Client, server: Server) -> None:
    made = post(client, "/settings/keys", name="shop", kind="secret", days="30")
    key = re.search(r"dub_\w{24}", made.text)
    assert key is not None
    assert made.headers["Cache-Control"].startswith("no-store")
    assert key[0] not in get(client, "/settings").text
    record = server.store.keys.find(key[0])
    assert record is not None
    assert record.expires_at is not None
    authorized = {"Authorization": f"Bearer {key[0]}"}
    assert client.get("/api/links", headers=authorized).status_code == 200
    post(client, f"/settings/keys/{record.id}/revoke")
    assert server.store.keys.find(key[0]) is None
    assert post(client, f"/settings/keys/{record.id}/revoke").status_code == 404
    public = post(client, "/settings/keys", kind="publishable").text
    assert re.search(r"dub_pk_\w{24}", public)


def test_settings_are_kept_and_wrong_ones_refused(client: Client, server: Server) -> None:
    good = {"name": "Acme", "timezone": "Asia/Kathmandu", "retention_days": "30", "track_conversions": "1"}
    saved = post(client, "/settings", **good, allowed_hostnames="shop.test\n*.shop.test localhost")
    assert saved.status_code == 303
    now = server.store.workspace.settings()
    assert (now.name, now.timezone, now.retention_days, now.track_conversions) == (
        "Acme",
        "Asia/Kathmandu",
        30,
        True,
    )
    assert now.allowed_hostnames == ("shop.test", "*.shop.test", "localhost")
    bad = {"timezone": "Mars/Base", "retention_days": "-1", "allowed_hostnames": "http://x"}
    refused = post(client, "/settings", **bad)
    assert refused.status_code == 422
    assert refused.text.count('class="error"') == 3
    too_many = post(client, "/settings", **good, allowed_hostnames=" ".join(f"h{n}.test" for n in range(11)))
    assert "Maximum of 10 hostnames allowed." in too_many.text
    assert server.store.workspace.settings() == now


def test_domains_come_and_go(client: Client, server: Server) -> None:
    assert "A domain is such as" in post(client, "/settings/domains", slug="http://x.test/").text
    assert post(client, "/settings/domains", slug="ACME.localhost", primary="1").status_code == 303
    assert [domain.slug for domain in server.store.workspace.domains()] == ["acme.localhost", "go.localhost"]
    assert "in the list already" in post(client, "/settings/domains", slug="acme.localhost").text
    post(client, "/settings/domains/acme.localhost/delete")
    assert [domain.slug for domain in server.store.workspace.domains()] == ["go.localhost"]


def test_demo_data_goes_and_leaves_the_rest(client: Client, server: Server) -> None:
    make_demo(server.store)
    own = new_link(client, server, key="own")
    server.store.record_click(own, Context(url=own.url))
    assert "Remove the demo data" in get(client, "/settings").text
    post(client, "/settings/demo/remove")
    assert "Remove the demo data" not in get(client, "/settings").text
    assert [link.key for link in server.store.links.page()] == ["own"]
    assert client.get("/analytics.json?interval=all").json["totals"]["clicks"] == 1
    assert server.store.customers.count() == 0


@pytest.mark.parametrize(
    "path", ["/links", "/links/new", "/customers", "/webhooks", "/webhooks/new", "/settings", "/install"]
)
def test_an_empty_workspace_says_what_to_do_next(client: Client, path: str) -> None:
    page = get(client, path)
    assert page.status_code == 200
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)", page.text)
    assert "primary" in page.text


def page_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!doctype html><html><head><title>Shop</title></head><body>Hello</body></html>"]


def test_the_install_check_passes_for_a_wrapped_app_and_says_what_a_bare_one_lacks(client: Client) -> None:
    with serving(DubMiddleware(page_app)) as wrapped, serving(page_app) as bare:
        passed = client.post(
            "/install/check", data={"url": wrapped}, headers={"Accept": "application/json"}
        ).json
        assert passed["passed"], passed
        assert "/_dub/script" in passed["checks"][0]["found"]
        assert passed["checks"][2]["found"].startswith("Set-Cookie: dub_id=test;")
        failed = post(client, "/install/check", url=bare).text
    assert failed.count("verdict bad") == 2
    assert "Wrap the app with DubMiddleware." in failed


class Redirector(StubServer):
    target = ""

    def answer(self, request: Request) -> Reply:
        cookie = "dub_id=test; Path=/; Expires=Wed, 21 Oct 2027 07:28:00 GMT"
        return Reply(302, headers={"Location": self.target, "Set-Cookie": cookie})


@pytest.mark.parametrize(
    ("place", "before"),
    [
        pytest.param(1, "app = print", id="wsgi"),
        pytest.param(2, "import flask; app = flask.Flask('shop')", id="flask"),
        pytest.param(4, "app = print", id="asgi"),
        pytest.param(5, "", id="conversions"),
    ],
)
def test_the_code_of_the_install_page_needs_no_more_than_the_environment_it_names(
    client: Client, tmp_path: Path, place: int, before: str
) -> None:
    snippets = re.findall(r"<pre[^>]*><code>(.*?)</code>", get(client, "/install").text, re.DOTALL)
    exported = re.findall(r"(DUB_\w+)=(\S+)", snippets[0])
    assert len(exported) == 4
    environ = os.environ | {name: value.replace("…", "x" * 24) for name, value in exported}
    program = f"{before}\n{unescape(snippets[place])}\nimport os; os._exit(0)"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_install_check_follows_redirects_a_few_times(client: Client) -> None:
    script = '<head><script src="/dub/script.js" defer></script></head>'

    def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [script.encode()]

    with Redirector() as first, serving(page) as last:
        first.target = f"{last}/home"
        checked = post(client, "/install/check", url=first.url).text
        assert checked.count("verdict good") == 2
        assert "/dub/script.js answered with status 200, text/html." in checked  # the page app answers it too
        first.target = "/again"
        assert "redirects on and on" in post(client, "/install/check", url=first.url).text
        first.target = "file:///etc/passwd"
        assert "redirects on and on" in post(client, "/install/check", url=first.url).text


class TestSomebodyElsesServer:
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"private_receivers": False}

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:{port}/",
            "http://localhost:{port}/",
            "http://[::1]:{port}/",
            "http://0x7f.1:{port}/",
        ],
    )
    def test_the_install_check_reaches_nothing_private(
        self, client: Client, receiver: StubServer, url: str
    ) -> None:
        page = post(client, "/install/check", url=url.format(port=receiver.port)).text
        assert "verdict bad" in page
        assert not receiver.requests

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://x", "http://user:pw@x.test/", "", "x"])
    def test_only_web_addresses_are_checked(self, client: Client, url: str) -> None:
        assert "This is no web address" in post(client, "/install/check", url=url).text
