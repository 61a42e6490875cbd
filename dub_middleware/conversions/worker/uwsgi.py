"""uWSGI stops all threads between requests unless it is told not to."""

from __future__ import annotations

import logging
import sys

logger = logging.getLogger("dub_middleware.conversions")


def warn_without_threads() -> None:
    """Log what to change when this process is uWSGI's and its threads do not run."""
    uwsgi = sys.modules.get("uwsgi")
    options = getattr(uwsgi, "opt", {})
    # the names are bytes in Python 3; "threads" implies "enable-threads"
    if uwsgi is not None and not {b"enable-threads", b"threads", "enable-threads", "threads"} & set(options):
        logger.warning(
            "uWSGI runs without enable-threads, so conversions are delivered during requests only. None is "
            "lost. Set enable-threads = true, or DUB_DELIVER=0 and run `dub-middleware deliver`."
        )
