"""Who holds a lease: a name that tells other processes of the same machine whether its bearer still lives."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def new_owner() -> str:
    """Return a name for this process, unique among all processes on all machines."""
    pid = os.getpid()
    return f"{_machine()}:{pid}:{_started(pid) or 0}:{uuid.uuid4().hex[:8]}"


def is_gone(owner: str) -> bool:
    """Whether the owner is known to have ended: a process of this machine that is no longer there.

    False when it cannot be known, as for a process in another container: its lease has to run out.
    """
    machine, pid, started, _ = owner.split(":")
    return bool(machine) and machine == _machine() and _started(int(pid)) != int(started)


def _machine() -> str:
    """Name the boot and the PID namespace; empty where there is no /proc, and every answer is "not known"."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Return when a process began (so that a reused PID is another process); None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
