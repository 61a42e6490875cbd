"""Short links: the rules for keys and destinations, and the one place that writes them.

::

    editor = LinkEditor(store, webhooks)
    link = editor.create({"url": "shop.test/pricing", "key": "launch", "utm_source": "newsletter"})
    editor.update(link, {"track_conversion": True})

Raises `dub_middleware.errors.LinkError` with Dub's code and message.
"""

from __future__ import annotations

from dub_middleware.server.links.editor import LinkEditor
from dub_middleware.server.links.keys import ROOT_KEY, clean_key
from dub_middleware.server.links.urls import UTM, clean_url

__all__ = ["ROOT_KEY", "UTM", "LinkEditor", "clean_key", "clean_url"]
