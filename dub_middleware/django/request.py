"""What views find at ``request.dub``: the visit, and the way to track what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dub_middleware.django import conf
from dub_middleware.visit import Visit

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dub_middleware.conversions import Receipt
    from dub_middleware.conversions.fields import LeadFields, SaleFields


class DubRequest(Visit):
    """A `Visit` that also accepts leads and sales, through the client of ``settings.DUB``."""

    @classmethod
    def of(cls, visit: Visit) -> DubRequest:
        """Return *visit*, which a middleware around Django has made, as one of these."""
        made = cls.__new__(cls)
        for name in Visit.__slots__:
            if hasattr(visit, name):
                setattr(made, name, getattr(visit, name))
        return made

    def track_lead(self, **fields: Unpack[LeadFields]) -> Receipt:
        """Accept a lead and return at once; the fields are those of `Conversions.track_lead`.

        The click id is this visit's. A field that breaks a rule raises `EventError` where DEBUG is on; to
        visitors it is only logged: see `AppConversions`.
        """
        fields.setdefault("click_id", self.click_id or "")
        return conf.conversions().track_lead(**fields)

    def track_sale(self, **fields: Unpack[SaleFields]) -> Receipt:
        """Accept a sale, like `track_lead`; the fields are those of `Conversions.track_sale`."""
        fields.setdefault("click_id", self.click_id or "")
        return conf.conversions().track_sale(**fields)
