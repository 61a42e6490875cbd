"""The wheel holds what a user needs and nothing else."""

from __future__ import annotations

import email
import email.message
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUNDLES = {path.name for path in (ROOT / "static" / "dist").glob("*.js")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built by the declared backend from a copy of the tracked and new files."""
    source = tmp_path_factory.mktemp("source") / "tree"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    ).stdout.decode()
    # an unpacked sdist has no git: everything there is
    names = listed.split("\0") if listed else [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
    for name in filter(None, names):
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    out = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(out)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile, names: set[str]) -> email.message.Message:
    (path,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(path))


def test_every_module_of_the_package_is_inside(names: set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "dub_middleware").rglob("*.py")}
    assert modules <= names


def test_the_marker_for_type_checkers_is_inside(names: set[str]) -> None:
    assert "dub_middleware/py.typed" in names


def test_the_bundle_is_inside_in_all_eight_variants(names: set[str]) -> None:
    assert len(BUNDLES) == 8
    assert {f"dub_middleware/static/{name}" for name in BUNDLES} <= names


def test_data_files_of_the_package_are_inside(names: set[str]) -> None:
    data = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "dub_middleware").rglob("*")
        if path.suffix in {".html", ".css", ".js", ".svg", ".sql", ".json", ".csv", ".xml", ".txt"}
    }
    assert data <= names


def test_nothing_else_is_inside(names: set[str]) -> None:
    foreign = {name for name in names if not name.startswith(("dub_middleware/", "dub_middleware-"))}
    assert not foreign
    assert not {name for name in names if "/src/" in name or name.endswith((".ts", ".mjs", ".map", ".pyc"))}


def test_the_base_install_stays_small(metadata: email.message.Message) -> None:
    required = {
        line.partition(">")[0] for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line
    }
    assert required == {"itsdangerous", "urllib3", "werkzeug"}


def test_the_command_is_installed(wheel: zipfile.ZipFile, names: set[str]) -> None:
    (path,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    assert "dub-middleware = dub_middleware.cli:main" in wheel.read(path).decode()
