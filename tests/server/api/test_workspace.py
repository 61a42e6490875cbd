"""Tags, folders, domains and customers by the official client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dub import Dub
from dub.models import errors

from api_client import Api
from dub_middleware.server import Server
from dub_middleware.server.store import CustomerDetails
from standing_clock import Clock


class TestTags:
    def test_tags_are_created_changed_listed_and_deleted(self, dub: Dub) -> None:
        launch = dub.tags.create(request={"name": " Launch ", "color": "blue"})
        spring = dub.tags.create(request={"tag": "Spring"})
        assert (launch.name, launch.color) == ("Launch", "blue")
        with pytest.raises(errors.Conflict, match="A tag with that name already exists"):
            dub.tags.create(request={"name": "Launch"})
        assert dub.tags.update(id=launch.id, request_body={"color": "red"}).color == "red"
        assert [tag.id for tag in dub.tags.list(request={})] == [launch.id, spring.id]
        assert [tag.id for tag in dub.tags.list(request={"sort_order": "desc"})] == [spring.id, launch.id]
        assert [tag.id for tag in dub.tags.list(request={"search": "SPR"})] == [spring.id]
        assert [tag.id for tag in dub.tags.list(request={"ids": [launch.id]})] == [launch.id]
        assert dub.tags.list(request={"page": 2, "page_size": 2}) == []
        assert dub.tags.delete(id=launch.id).id == launch.id
        with pytest.raises(errors.NotFound):
            dub.tags.update(id=launch.id, request_body={"name": "x"})

    def test_a_tag_has_a_name(self, api: Api) -> None:
        assert api.refused("POST", "/tags", {}) == (
            422,
            "unprocessable_entity",
            "custom: name: Name is required.",
        )


class TestFolders:
    def test_folders_are_created_changed_listed_and_deleted(self, dub: Dub) -> None:
        spring = dub.folders.create(request={"name": "Spring", "description": "2026", "access_level": "read"})
        assert (spring.name, spring.description, spring.access_level) == ("Spring", "2026", "read")
        with pytest.raises(errors.Conflict, match="A folder with the name Spring already exists"):
            dub.folders.create(request={"name": "Spring"})
        changed = dub.folders.update(id=spring.id, request_body={"name": "Summer"})
        assert changed is not None
        assert changed.name == "Summer"
        link = dub.links.create(request={"url": "https://shop.test/", "folder_id": spring.id})
        assert [folder.id for folder in dub.folders.list(request={"search": "summ"})] == [spring.id]
        assert dub.folders.delete(id=spring.id).id == spring.id
        assert dub.links.get(request={"link_id": link.id}).folder_id is None


class TestDomains:
    def test_domains_are_added_changed_listed_and_removed(self, dub: Dub) -> None:
        made = dub.domains.create(request={"slug": "B.Localhost", "not_found_url": "shop.test"})
        assert (made.slug, made.not_found_url, made.primary) == ("b.localhost", "https://shop.test", False)
        with pytest.raises(errors.Conflict, match="Domain is already in use"):
            dub.domains.create(request={"slug": "b.localhost"})
        link = dub.links.create(request={"url": "https://shop.test/", "domain": "b.localhost", "key": "x"})
        moved = dub.domains.update(
            slug="b.localhost", request_body={"slug": "c.localhost", "archived": True, "not_found_url": None}
        )
        assert (moved.slug, moved.archived, moved.not_found_url) == ("c.localhost", True, None)
        assert dub.links.get(request={"link_id": link.id}).domain == "c.localhost"
        assert [domain.slug for domain in dub.domains.list(request={}).result] == ["go.localhost"]
        assert [domain.slug for domain in dub.domains.list(request={"archived": True}).result] == [
            "c.localhost"
        ]
        with pytest.raises(errors.Conflict):
            dub.domains.update(slug="c.localhost", request_body={"slug": "go.localhost"})
        assert dub.domains.delete(slug="c.localhost").slug == "c.localhost"
        with pytest.raises(errors.NotFound):
            dub.links.get(request={"link_id": link.id})

    @pytest.mark.parametrize("slug", ["", "localhost", "https://a.test", "a b.test", "-a.test", "a..test"])
    def test_a_domain_is_a_host_name(self, api: Api, slug: str) -> None:
        refused = (422, "unprocessable_entity", "custom: slug: Invalid domain")
        assert api.refused("POST", "/domains", {"slug": slug}) == refused

    def test_the_other_addresses_of_a_domain_are_urls(self, api: Api) -> None:
        body = {"slug": "a.test", "expiredUrl": "javascript:alert(1)"}
        refused = (422, "unprocessable_entity", "custom: expiredUrl: Invalid URL")
        assert api.refused("POST", "/domains", body) == refused


class TestCustomers:
    @pytest.fixture
    def ada(self, dub: Dub, server: Server, click: Callable[..., str]) -> str:
        dub.links.create(request={"url": "https://shop.test/", "key": "x", "track_conversion": True})
        details = CustomerDetails(external_id="42", name="Ada", email="ada@example.com")
        result = server.store.record_lead(details, "Sign Up", click_id=click("x", **{"CF-IPCountry": "GB"}))
        assert result.customer is not None
        return result.customer.id

    def test_a_customer_is_found_by_either_id(self, dub: Dub, server: Server, ada: str) -> None:
        server.store.record_sale(CustomerDetails(external_id="42"), 4900, "usd")
        found = dub.customers.get(request={"id": "ext_42", "include_expanded_fields": True})
        assert (found.id, found.name, found.country) == (ada, "Ada", "GB")
        assert (found.sales, found.sale_amount, found.first_sale_at) == (1, 4900, "2026-03-18T12:00:00.000Z")
        assert found.link is not None
        assert found.link.key == "x"
        assert "link" not in dub.customers.get(request={"id": ada}).model_dump()

    def test_a_customer_is_changed_and_forgotten(self, dub: Dub, server: Server, ada: str) -> None:
        server.store.customers.create(CustomerDetails(external_id="7"))
        request: dict[str, Any] = {
            "id": ada,
            "request_body": {"name": "Ada L.", "external_id": "43", "country": "fr"},
        }
        changed = dub.customers.update(request=request)
        assert (changed.name, changed.external_id, changed.country) == ("Ada L.", "43", "FR")
        with pytest.raises(errors.Conflict, match="A customer with this external ID already exists"):
            dub.customers.update(request={"id": ada, "request_body": {"external_id": "7"}})
        assert dub.customers.delete(id="ext_43").id == ada
        with pytest.raises(errors.NotFound):
            dub.customers.get(request={"id": ada})

    def test_customers_are_listed_page_by_page(self, dub: Dub, server: Server, clock: Clock) -> None:
        ids = []
        for number in range(5):
            details = CustomerDetails(
                external_id=f"c{number}", name=f"Name {number}", email=f"{number}@x.test"
            )
            ids.append(server.store.customers.create(details, country="DE" if number % 2 else "FR").id)
            clock.advance(seconds=1)

        def listed(**request: Any) -> list[int]:
            found = dub.customers.list(request=request)
            assert found is not None
            return [ids.index(customer.id) for customer in found.result]

        assert [listed(page_size=2, page=page) for page in (1, 2, 3)] == [[4, 3], [2, 1], [0]]
        assert listed(page_size=2, starting_after=ids[3]) == [2, 1]
        assert listed(page_size=2, ending_before=ids[1]) == [3, 2]
        assert listed(sort_by="firstSaleAt", sort_order="asc", starting_after=ids[3]) == [4]
        assert listed(search="name 3") == listed(email="3@x.test") == listed(external_id="c3") == [3]
        assert listed(country="DE") == [3, 1]
        with pytest.raises(errors.UnprocessableEntity, match="Invalid cursor"):
            dub.customers.list(request={"starting_after": "cus_none"})

    def test_a_customer_may_be_added_by_hand(self, api: Api) -> None:
        made = api("POST", "/customers", {"externalId": "9", "email": "grace@example.com"})
        assert (made.status_code, made.json()["name"]) == (201, "grace@example.com")
        conflict = (409, "conflict", "A customer with this external ID already exists.")
        assert api.refused("POST", "/customers", {"externalId": "9"}) == conflict
