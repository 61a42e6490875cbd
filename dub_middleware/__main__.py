"""``python -m dub_middleware`` is the same as ``dub-middleware``."""

from __future__ import annotations

from dub_middleware.cli import main

raise SystemExit(main())
