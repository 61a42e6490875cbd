"""Say why a SQLite file cannot be used, where SQLite's own words do not."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


def reason(error: Exception, path: str | os.PathLike[str]) -> str:
    """Return what somebody can do something about: "unable to open database file" names no cause."""
    if not isinstance(error, sqlite3.OperationalError) or "unable to open" not in str(error):
        return str(error)
    if os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK):
        return "it belongs to another user"
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"this user may not write to the folder {folder}"
    return str(error)
