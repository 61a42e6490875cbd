"""Which databases a test of the server runs on; without a word it is both."""

from __future__ import annotations

import pytest

#: for what no database can change, as the judging of requests
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
