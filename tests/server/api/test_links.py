"""Links by the official client, and by requests that it would not send."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dub import Dub
from dub.models import errors

from api_client import Api
from dub_middleware.server import Server
from standing_clock import Clock

INEXACT = "Invalid string: must not contain NUL or half a surrogate pair"


class TestWithTheOfficialClient:
    def test_create_returns_the_whole_link(self, dub: Dub, server: Server) -> None:
        tag = server.store.workspace.add_tag("Launch", "blue")
        folder = server.store.workspace.add_folder("Spring")
        link = dub.links.create(
            request={
                "url": "shop.test/pricing?a=1",
                "key": "Launch",
                "external_id": "ext_42",
                "tenant_id": "t1",
                "track_conversion": True,
                "tag_names": ["launch"],
                "folder_id": folder.id,
                "comments": "for the launch",
                "expires_at": "2030-01-01T00:00:00Z",
                "expired_url": "https://shop.test/late",
                "utm_source": "newsletter",
                "utm_campaign": "spring sale",
                "ref": "ada",
                "ios": "https://apps.test/ios",
                "geo": {"DE": "https://shop.test/de"},
            }
        )
        assert link.id.startswith("link_")
        assert (link.domain, link.key, link.external_id) == ("go.localhost", "Launch", "42")
        assert (
            link.url
            == "https://shop.test/pricing?a=1&utm_source=newsletter&utm_campaign=spring%20sale&ref=ada"
        )
        assert (link.utm_source, link.utm_campaign, link.utm_medium) == ("newsletter", "spring sale", None)
        assert link.short_link == "http://go.localhost:8787/Launch"
        assert link.qr_code.endswith("/api/qr?url=http://go.localhost:8787/Launch?qr=1")
        assert [(found.id, found.name, found.color) for found in link.tags or ()] == [
            (tag.id, "Launch", "blue")
        ]
        assert (link.folder_id, link.comments, link.tenant_id) == (folder.id, "for the launch", "t1")
        assert link.expires_at == "2030-01-01T00:00:00.000Z"
        assert link.track_conversion
        assert link.geo == {"DE": "https://shop.test/de"}
        assert link.workspace_id == server.store.workspace.settings().workspace_id
        assert link.created_at == "2026-03-18T12:00:00.000Z"
        assert dub.links.get(request={"link_id": link.id}) == link
        assert dub.links.get(request={"external_id": "ext_42"}) == link
        assert dub.links.get(request={"domain": "go.localhost", "key": "launch"}) == link

    def test_random_keys_have_seven_letters_or_as_many_as_asked_for(self, dub: Dub) -> None:
        assert len(dub.links.create(request={"url": "https://shop.test/"}).key) == 7
        long = dub.links.create(request={"url": "https://shop.test/", "key_length": 20, "prefix": "/c/"})
        assert long.key.startswith("c/")
        assert len(long.key) == 22

    def test_update_changes_what_is_given(self, dub: Dub) -> None:
        link = dub.links.create(
            request={"url": "https://shop.test/?utm_source=a", "key": "x", "comments": "old"}
        )
        changed = dub.links.update(link_id=link.id, request_body={"key": "y", "track_conversion": True})
        assert (changed.key, changed.track_conversion, changed.comments) == ("y", True, "old")
        assert changed.url == link.url
        cleared = dub.links.update(link_id=link.id, request_body={"utm_source": None, "comments": None})
        assert (cleared.url, cleared.comments) == ("https://shop.test/", None)

    def test_upsert_finds_the_link_to_the_same_url(self, dub: Dub) -> None:
        first = dub.links.upsert(request={"url": "https://shop.test/a", "utm_source": "x"})
        again = dub.links.upsert(request={"url": "https://shop.test/a", "utm_source": "x", "title": "T"})
        other = dub.links.upsert(request={"url": "https://shop.test/a", "utm_source": "y"})
        assert (again.id, again.title) == (first.id, "T")
        assert other.id != first.id

    def test_delete(self, dub: Dub) -> None:
        link = dub.links.create(request={"url": "https://shop.test/"})
        assert dub.links.delete(link_id=link.id).id == link.id
        with pytest.raises(errors.NotFound) as caught:
            dub.links.delete(link_id=link.id)
        assert caught.value.data.error.message == "Link not found."

    def test_many_are_created_changed_and_deleted_at_once(self, dub: Dub, server: Server) -> None:
        dub.links.create(request={"url": "https://shop.test/", "key": "taken"})
        made = dub.links.create_many(
            request=[
                {"url": "https://shop.test/1", "key": "one", "external_id": "1"},
                {"url": "https://shop.test/2", "key": "taken"},
                {"url": "javascript:alert(1)"},
                {"url": "https://shop.test/3", "key": "three"},
            ]
        )
        one, taken, unsafe, three = (item.model_dump() for item in made)
        assert (one["key"], three["key"]) == ("one", "three")
        assert (taken["error"], taken["code"]) == (
            "Duplicate key: This short link already exists.",
            "conflict",
        )
        assert (unsafe["error"], unsafe["code"]) == ("Invalid destination URL", "unprocessable_entity")
        ids = [one["id"], three["id"]]
        request = {"link_ids": ids[1:], "external_ids": ["1"], "data": {"archived": True}}
        assert [link.archived for link in dub.links.update_many(request=request)] == [True, True]
        assert dub.links.delete_many(request={"link_ids": [*ids, "link_none"]}).deleted_count == 2
        assert dub.links.count(request={"show_archived": True}) == 1

    def test_pages_follow_each_other_to_the_end(self, dub: Dub, clock: Clock) -> None:
        for number in range(7):
            dub.links.create(request={"url": "https://shop.test/", "key": f"key-{number}"})
            clock.advance(seconds=1)
        page = dub.links.list(request={"page_size": 3})
        seen = []
        while page is not None:
            seen.append([link.key for link in page.result])
            page = page.next()
        assert seen == [["key-6", "key-5", "key-4"], ["key-3", "key-2", "key-1"], ["key-0"]]
        first = dub.links.list(request={"page_size": 2}).result
        behind = dub.links.list(request={"page_size": 2, "starting_after": first[-1].id}).result
        assert [link.key for link in behind] == ["key-4", "key-3"]
        before = dub.links.list(request={"page_size": 2, "ending_before": behind[0].id}).result
        assert [link.key for link in before] == ["key-6", "key-5"]

    def test_lists_are_filtered(self, dub: Dub, server: Server) -> None:
        tag = server.store.workspace.add_tag("Launch", "red")
        server.store.workspace.add_domain("b.localhost")
        links: list[dict[str, Any]] = [
            {"key": "tagged", "tag_ids": [tag.id]},
            {"key": "tenant", "tenant_id": "t1"},
            {"key": "old", "archived": True},
            {"key": "elsewhere", "domain": "b.localhost"},
        ]
        for link in links:
            dub.links.create(request={"url": f"https://shop.test/{link['key']}"} | link)

        def keys(**request: Any) -> set[str]:
            found = {link.key for link in dub.links.list(request=request).result}
            assert dub.links.count(request=request) == len(found)
            return found

        assert keys() == {"tagged", "tenant", "elsewhere"}
        assert keys(show_archived=True) == {"tagged", "tenant", "elsewhere", "old"}
        assert keys(tag_ids=[tag.id]) == keys(tag_names="Launch") == keys(with_tags=True) == {"tagged"}
        assert keys(tenant_id="t1") == {"tenant"}
        assert keys(domain="b.localhost") == {"elsewhere"}
        assert keys(search="/TEN") == {"tenant"}
        assert keys(search="%") == set()

    def test_counters_follow_what_happens(self, dub: Dub, click: Callable[..., str]) -> None:
        link = dub.links.create(request={"url": "https://shop.test/", "key": "x", "track_conversion": True})
        click("x")
        found = dub.links.get(request={"link_id": link.id})
        assert (found.clicks, found.last_clicked) == (1, "2026-03-18T12:00:00.000Z")


class TestRules:
    @pytest.fixture
    def database_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/dub.db"

    @pytest.mark.parametrize(
        ("body", "answer"),
        [
            (
                {},
                (
                    422,
                    "unprocessable_entity",
                    "invalid_type: url: Invalid input: expected string, received undefined",
                ),
            ),
            ({"url": ""}, (400, "bad_request", "Missing destination URL")),
            ({"url": "nowhere"}, (422, "unprocessable_entity", "Invalid destination URL")),
            ({"url": "javascript:alert(1)"}, (422, "unprocessable_entity", "Invalid destination URL")),
            ({"domain": "other.test"}, (403, "forbidden", "Domain does not belong to workspace.")),
            ({"key": "_x"}, (422, "unprocessable_entity", "Invalid key.")),
            ({"key": "a b"}, (422, "unprocessable_entity", "Invalid key.")),
            ({"key": "a\0b"}, (422, "unprocessable_entity", f"invalid_format: key: {INEXACT}")),
            ({"key": "a\ud83d"}, (422, "unprocessable_entity", f"invalid_format: key: {INEXACT}")),
            (
                {"url": "https://shop.test/\0"},
                (422, "unprocessable_entity", f"invalid_format: url: {INEXACT}"),
            ),
            (
                {"externalId": "\0"},
                (422, "unprocessable_entity", f"invalid_format: externalId: {INEXACT}"),
            ),
            (
                {"key": "robots.txt"},
                (403, "forbidden", "robots.txt is a reserved path and cannot be used as a short link."),
            ),
            ({"key": "TAKEN"}, (409, "conflict", "Duplicate key: This short link already exists.")),
            (
                {"externalId": "1"},
                (409, "conflict", "A link with this externalId already exists in this workspace."),
            ),
            ({"tagIds": "a,b"}, (422, "unprocessable_entity", "Invalid tagIds detected: a, b")),
            ({"tagNames": ["c"]}, (422, "unprocessable_entity", "Invalid tagNames detected: c")),
            ({"tagIds": 1}, (422, "unprocessable_entity", "invalid_union: tagIds: Invalid input")),
            ({"folderId": "fold_none"}, (404, "not_found", "Folder not found.")),
            ({"expiresAt": "soon"}, (422, "unprocessable_entity", "Invalid expiration date.")),
            (
                {"testStartedAt": "soon"},
                (422, "unprocessable_entity", "custom: testStartedAt: Invalid date"),
            ),
            ({"expiredUrl": "bad"}, (422, "unprocessable_entity", "custom: expiredUrl: Invalid URL")),
            ({"ios": "data:,x"}, (422, "unprocessable_entity", "custom: ios: Invalid URL")),
            ({"geo": {"DE": "bad"}}, (422, "unprocessable_entity", "custom: geo.DE: Invalid URL")),
            (
                {"geo": {"XX": "https://x.test"}},
                (422, "unprocessable_entity", "custom: geo.XX: Invalid country code"),
            ),
            (
                {"key": "x" * 191},
                (
                    422,
                    "unprocessable_entity",
                    "too_big: key: Too big: expected string to have <=190 characters",
                ),
            ),
            (
                {"keyLength": 2},
                (422, "unprocessable_entity", "too_small: keyLength: Too small: expected number to be >=3"),
            ),
            (
                {"utm_source": "x" * 256},
                (
                    422,
                    "unprocessable_entity",
                    "too_big: utm_source: Too big: expected string to have <=255 characters",
                ),
            ),
            (
                {"trackConversion": "x"},
                (
                    422,
                    "unprocessable_entity",
                    "invalid_type: trackConversion: Invalid input: expected boolean, received string",
                ),
            ),
        ],
        ids=lambda value: next(iter(value), "url missing") if isinstance(value, dict) else "",
    )
    def test_what_cannot_be_a_link_is_told(
        self, api: Api, body: dict[str, Any], answer: tuple[int, str, str]
    ) -> None:
        taken = api("POST", "/links", {"url": "https://shop.test/", "key": "taken", "externalId": "1"})
        assert taken.status_code == 200
        whole = {"url": "https://shop.test/"} | body if body else {}
        assert api.refused("POST", "/links", whole) == answer

    def test_keys_may_be_written_in_any_script(self, api: Api, server: Server) -> None:
        link = api("POST", "/links", {"url": "https://shop.test/", "key": "Café/🚀"}).json()
        assert link["key"] == "Café/🚀"
        assert link["shortLink"] == "http://go.localhost:8787/Caf%C3%A9/%F0%9F%9A%80"
        assert api.refused("POST", "/links", {"url": "https://shop.test/", "key": "CAFÉ/🚀"})[0] == 409

    def test_dates_may_be_words_and_are_kept_as_moments(self, api: Api) -> None:
        said = {"expiresAt": "in 2 weeks", "testStartedAt": "tomorrow", "testCompletedAt": "2026-05-01"}
        link = api("POST", "/links", {"url": "https://shop.test/", **said}).json()
        assert [link[name] for name in said] == [
            "2026-04-01T12:00:00.000Z",
            "2026-03-19T00:00:00.000Z",
            "2026-05-01T00:00:00.000Z",
        ]
        changed = api("PATCH", f"/links/{link['id']}", {"expiresAt": None, "testStartedAt": None}).json()
        assert (changed["expiresAt"], changed["testStartedAt"]) == (None, None)

    def test_tags_are_replaced_and_cleared(self, api: Api, server: Server) -> None:
        tags = [server.store.workspace.add_tag(name, "red").id for name in "ab"]
        link = api("POST", "/links", {"url": "https://shop.test/", "tagIds": ",".join(tags)}).json()
        assert [tag["id"] for tag in link["tags"]] == tags
        path = f"/links/{link['id']}"
        assert [tag["name"] for tag in api("PATCH", path, {"tagNames": "B"}).json()["tags"]] == ["b"]
        assert api("PUT", path, {"tagIds": []}).json()["tags"] == []

    def test_the_body_may_say_nothing_of_what_is_null(self, api: Api) -> None:
        names = ("externalId", "tenantId", "folderId", "tagIds", "expiresAt", "password", "geo", "utm_term")
        link = api("POST", "/links", {"url": "https://shop.test/"} | dict.fromkeys(names)).json()
        assert all(link[name] is None for name in names if name != "tagIds")

    @pytest.mark.parametrize(
        ("query", "answer"),
        [
            (
                "startingAfter=link_none",
                (422, "unprocessable_entity", "Invalid cursor: the provided ID does not exist."),
            ),
            (
                "startingAfter=a&endingBefore=b",
                (
                    422,
                    "unprocessable_entity",
                    "You cannot use both startingAfter and endingBefore at the same time.",
                ),
            ),
            ("page=0", (422, "unprocessable_entity", "too_small: page: Page must be greater than 0.")),
            ("page=x", (422, "unprocessable_entity", "invalid_type: page: Page must be a number.")),
            ("pageSize=101", (422, "unprocessable_entity", "too_big: pageSize: Max page size is 100.")),
            (
                "showArchived=1",
                (
                    422,
                    "unprocessable_entity",
                    'invalid_value: showArchived: Invalid option: expected one of "true"|"false"',
                ),
            ),
        ],
    )
    def test_wrong_pages_are_told(self, api: Api, query: str, answer: tuple[int, str, str]) -> None:
        assert api.refused("GET", f"/links?{query}") == answer

    def test_links_are_sorted_by_what_is_asked_for(self, api: Api, click: Callable[..., str]) -> None:
        for key in "abc":
            api("POST", "/links", {"url": "https://shop.test/", "key": key})
        click("b")
        for way, expected in (("desc", ["b", "c", "a"]), ("asc", ["a", "c", "b"])):
            listed = api("GET", f"/links?sortBy=clicks&sortOrder={way}").json()
            assert [link["key"] for link in listed] == expected

    def test_links_are_counted_by_group(self, api: Api, server: Server) -> None:
        server.store.workspace.add_domain("b.localhost")
        for domain in ("go.localhost", "b.localhost", "go.localhost"):
            api("POST", "/links", {"url": "https://shop.test/", "domain": domain})
        assert api("GET", "/links/count").json() == 3
        assert api("GET", "/links/count?groupBy=domain").json() == [
            {"domain": "go.localhost", "_count": 2},
            {"domain": "b.localhost", "_count": 1},
        ]

    def test_info_wants_to_know_which(self, api: Api) -> None:
        which = "You must provide a domain and a key or a linkId or an externalId to retrieve a link."
        assert api.refused("GET", "/links/info") == (400, "bad_request", which)
        prefix = "Invalid externalId. Did you forget to prefix it with `ext_`?"
        assert api.refused("GET", "/links/info?externalId=1") == (400, "bad_request", prefix)
        assert api.refused("GET", "/links/info?linkId=x") == (404, "not_found", "Link not found.")

    def test_bulk_has_bounds(self, api: Api) -> None:
        many = [{"url": "https://shop.test/"}] * 101
        message = "too_big: : You can only create up to 100 links at a time."
        assert api.refused("POST", "/links/bulk", many) == (422, "unprocessable_entity", message)
        nobody = (400, "bad_request", "Please provide linkIds or externalIds.")
        assert api.refused("DELETE", "/links/bulk") == nobody
        assert api.refused("PATCH", "/links/bulk", {"data": {}}) == nobody
