"""Python programs in processes of their own, which tests kill; and what they acknowledged before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import TracebackType

from waiting import wait_until


class Program:
    """Run ``code``; its lines on standard output are acknowledgements, read as they come.

    A ``with`` block ends with the process killed, if it has not ended by itself.
    """

    def __init__(self, code: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, env=env
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL: no handler, no clean-up, nothing flushed."""
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = 60) -> int:
        """Return the exit status once it has ended and all its lines are read."""
        status = self._process.wait(timeout)
        self._reader.join(timeout)
        return status

    def wait_for_lines(self, count: int, timeout: float = 60) -> None:
        """Return once it has printed so many lines."""
        wait_until(
            lambda: len(self.lines) >= count or self._process.poll() is not None, timeout, f"{count} lines"
        )
        assert len(self.lines) >= count, f"it ended with {self._process.poll()} after {len(self.lines)} lines"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))


def full_length() -> bool:
    """Whether the long versions are asked for: ``DUB_FAULTS=full``."""
    return os.environ.get("DUB_FAULTS") == "full"
