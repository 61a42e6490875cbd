"""What `import dub_middleware` gives, and what it must not cost."""

from __future__ import annotations

import json
import subprocess
import sys

import dub_middleware
from dub_middleware import errors

EXCEPTIONS = {name for name, value in vars(errors).items() if isinstance(value, type)}
NAMES = {"Config", "DubMiddleware", "Visit", "current_visit", "get_visit"}
HEAVY = {"django", "flask", "httpx", "jinja2", "psycopg", "requests", "sqlalchemy", "starlette", "urllib3"}


def modules_after(statement: str) -> set[str]:
    """The names of all modules that a fresh interpreter holds after one statement."""
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_the_root_exports_the_curated_names() -> None:
    assert set(dub_middleware.__all__) - {"__version__"} == NAMES | EXCEPTIONS
    assert list(dub_middleware.__all__) == sorted(dub_middleware.__all__)


def test_every_exported_name_exists() -> None:
    missing = [name for name in dub_middleware.__all__ if not hasattr(dub_middleware, name)]
    assert not missing


def test_importing_the_root_imports_no_framework_no_http_client_and_no_database() -> None:
    loaded = modules_after("import dub_middleware")
    assert "dub_middleware" in loaded
    assert not loaded & HEAVY


def test_using_the_middleware_imports_no_framework_no_http_client_and_no_database() -> None:
    loaded = modules_after("from dub_middleware import *; DubMiddleware(lambda environ, start: [])")
    assert "dub_middleware.wsgi" in loaded
    assert not loaded & HEAVY


def test_the_helpers_for_tests_need_no_test_runner() -> None:
    loaded = modules_after("import dub_middleware.testing")
    assert "dub_middleware.testing" in loaded
    assert "pytest" not in loaded
