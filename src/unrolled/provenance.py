"""Where a number comes from: the commit, the versions of what computes, the processor, the day."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "numpy", "scipy", "numba")
CPUINFO = Path("/proc/cpuinfo")


def _git(*words: str) -> str:
    """Return what git says; where there is none, or it fails, nothing."""
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def head() -> str:
    """Return the commit that is checked out; without git nothing."""
    return _git("rev-parse", "HEAD")


def commit() -> str:
    """Return the same with a + where the source differs from it."""
    found = head()
    return found + ("+" if found and _git("status", "--porcelain", "--untracked-files=no", "--", "src") else "")


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def about(code: str) -> dict[str, Any]:
    """Return what a record says of its origin; `code` is the commit."""
    return {
        "commit": code,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "processor": processor(),
    }
