"""A private PostgreSQL of the test run: its own directory, a unix socket only, thrown away afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

# Nothing here outlives the run, so PostgreSQL need not wait for the disk. Autovacuum's transactions, whatever
# their database, would now and then hold back what the server's stream of events shows for some milliseconds.
SETTINGS = (
    "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=200 -c autovacuum=off"
)


def find_binaries() -> Path | None:
    """Return the folder with initdb and pg_ctl: on the PATH, or where Debian keeps the newest version."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(folders, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else None


class PostgresServer:
    """Start with `start`, crash with ``stop("immediate")``; `create_database` gives a fresh, empty one."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._emptied: list[str] = []
        self._as_user: dict[str, str] = {}
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            self._as_user = {"user": _unprivileged_user()}
            shutil.chown(self.folder, **self._as_user)
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"
        )

    def url(self, database: str = "postgres") -> str:
        return f"postgresql:///{database}?host={self.folder}&user=postgres"

    def start(self) -> None:
        log = str(self.folder / "log")
        self._control("start", "-l", log, "-o", f"{SETTINGS} -k {self.folder}")

    def stop(self, mode: str = "fast") -> None:
        self._control("stop", "-m", mode)

    def create_database(self) -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            if self._emptied:
                connection.execute(f"ALTER DATABASE {self._emptied.pop()} RENAME TO {name}")
            else:
                connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def take_back(self, url: str) -> None:
        """Empty a database for `create_database` to give out again, which takes less than making one.

        Its sessions end, and under its next name they would not find it.
        """
        name = urlsplit(url).path.lstrip("/")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self._emptied.append(name)

    def close(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.binaries / program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open as long as the server runs
            cwd=self.folder,
            **self._as_user,  # type: ignore[call-overload]
        )


def _unprivileged_user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"
