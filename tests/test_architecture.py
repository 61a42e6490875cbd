"""Imports inside the package run one way only; this is the drawing, and the syntax trees are held to it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dub_middleware"

FOUNDATION = {"errors", "personal", "config", "process", "patience", "reason"}
REQUEST = FOUNDATION | {"cookies", "capture", "inject", "script", "visit"}
ADAPTERS = REQUEST | {"relay", "site", "wsgi", "asgi", "conversions", "webhooks"}

#: component → the components it may import. A component is a module or package directly below
#: dub_middleware; the parts of conversions and segment have lines of their own.
DRAWING: dict[str, set[str]] = {
    "personal": set(),
    "errors": {"personal"},
    "process": set(),
    "patience": set(),
    "reason": set(),
    "records": set(),
    "rules": {"errors"},
    "config": {"errors", "rules"},
    "cookies": FOUNDATION | {"rules"},
    "capture": FOUNDATION | {"cookies"},
    "inject": FOUNDATION,
    "script": FOUNDATION,
    "visit": FOUNDATION | {"cookies", "capture"},
    "relay": REQUEST | {"conversions.http"},
    "site": REQUEST | {"relay"},
    "wsgi": REQUEST | {"relay", "site"},
    "asgi": REQUEST | {"relay", "site"},
    "flask": ADAPTERS,
    "django": ADAPTERS,
    "conversions.http": FOUNDATION,
    "conversions.currencies": set(),
    "conversions.values": FOUNDATION,
    "conversions.events": FOUNDATION | {"conversions.currencies", "conversions.values"},
    "conversions.destinations": FOUNDATION
    | {"records", "conversions.currencies", "conversions.events", "conversions.http"},
    "conversions.outbox": FOUNDATION | {"conversions.events"},
    "conversions.worker": FOUNDATION
    | {"conversions.events", "conversions.destinations", "conversions.outbox"},
    "conversions.receipt": FOUNDATION | {"conversions.destinations", "conversions.outbox"},
    "conversions.client": FOUNDATION | {"visit", "conversions"},
    "conversions.settings": FOUNDATION | {"rules", "conversions"},
    "conversions.fields": {"conversions.events"},
    "conversions.app": FOUNDATION | {"conversions"},
    "conversions": FOUNDATION,
    "segment.javascript": {"errors"},
    "segment.fql": {"errors", "segment.javascript"},
    "segment.mapping": {"errors", "segment.javascript"},
    "segment.actions": {"errors", "segment.javascript", "segment.fql", "segment.mapping", "conversions"},
    "segment.gateway": {
        "errors",
        "cookies",
        "segment.fql",
        "segment.mapping",
        "segment.actions",
        "conversions",
    },
    "segment.source": {"errors", "webhooks", "conversions"},
    "segment": {"errors"},
    "webhooks": FOUNDATION | {"records"},
    "install_check": FOUNDATION | {"conversions"},
    "server": FOUNDATION
    | {"rules", "cookies", "script", "segment", "webhooks", "conversions", "install_check"},
    "testing": {"", "conversions", "server"},
    "pytest_plugin": {"testing"},
}
#: the command line may import everything, inside its commands; the root re-exports the public names
FREE = {"cli", "__main__", ""}

#: distribution → the components that may import it
THIRD_PARTY: dict[str, set[str]] = {
    "flask": {"flask", "server"},
    "django": {"django"},
    "sqlalchemy": {"server"},
    "urllib3": {"conversions.http"},
    "liquid": {"segment.mapping"},
    "pytest": {"pytest_plugin"},
    "starlette": set(),
    "requests": set(),
    "httpx": set(),
}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module as its dotted name below the package ("" is the root) and its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def component(module: str) -> str:
    """The line of the drawing that a module falls under."""
    head, _, tail = module.partition(".")
    is_drawn_in_parts = any(line.startswith(f"{head}.") for line in DRAWING)
    return f"{head}.{tail.partition('.')[0]}" if tail and is_drawn_in_parts else head


def imports(module: str, path: Path) -> Iterator[tuple[int, str]]:
    """Each import as its line and absolute dotted name, function-level and TYPE_CHECKING ones included."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = [p for p in ("dub_middleware", *package.split(".")) if p]
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def internal(dotted: str) -> str | None:
    """The module inside the package that a dotted name refers to, or None for anyone else's."""
    if dotted.partition(".")[0] != "dub_middleware":
        return None
    name = dotted.partition(".")[2]
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def is_allowed(importer: str, imported: str) -> bool:
    if importer == imported or importer in FREE:
        return True
    package = imported.partition(".")[0]
    if importer == package:
        return True  # a package's front door opens onto its own parts
    if imported == importer.partition(".")[0]:
        return False  # and no part goes round through it, which would be a circle
    return imported in DRAWING[importer] or package in DRAWING[importer]


def test_every_module_is_in_the_drawing() -> None:
    unknown = sorted({c for c in map(component, MODULES) if c not in DRAWING and c not in FREE})
    assert not unknown, f"say in DRAWING what these may import: {unknown}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "dub_middleware")
def test_imports_follow_the_drawing(module: str) -> None:
    importer = component(module)
    if importer in FREE:
        return
    wrong = [
        f"line {line}: {dotted}"
        for line, dotted in imports(module, MODULES[module])
        if (target := internal(dotted)) is not None and not is_allowed(importer, component(target))
    ]
    assert not wrong, f"{importer} may import {sorted(DRAWING[importer])} only"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "dub_middleware")
def test_third_party_packages_stay_where_they_belong(module: str) -> None:
    wrong = [
        f"line {line}: {dotted}"
        for line, dotted in imports(module, MODULES[module])
        if component(module) not in THIRD_PARTY.get(dotted.partition(".")[0], {component(module)})
    ]
    assert not wrong


def test_no_two_components_import_each_other() -> None:
    edges = {
        (component(module), component(target))
        for module, path in MODULES.items()
        for _, dotted in imports(module, path)
        if (target := internal(dotted)) is not None and component(module) not in FREE
    }
    assert not sorted((a, b) for a, b in edges if a < b and (b, a) in edges)


def test_commands_are_imported_when_asked_for() -> None:
    heavy = [
        f"line {line}: {dotted}"
        for line, dotted in imports("cli", MODULES["cli"])
        if internal(dotted) not in (None, "errors", "cli.usage")
    ]
    assert not heavy


def test_the_demo_uses_public_names_only() -> None:
    private = {"conversions.http", "conversions.outbox", "conversions.worker", "conversions.client"}
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {dotted}"
        for path in sorted((ROOT / "demo_app").rglob("*.py"))
        for line, dotted in imports("", path)
        if (target := internal(dotted)) is not None
        and (component(target) in private | {"cookies", "capture", "inject", "relay", "script", "cli"})
    ]
    assert not wrong
