"""Where a number comes from: the commit, the versions of what computes, the processor, the day."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "numpy", "scipy", "numba")
CPUINFO = Path("/proc/cpuinfo")


def commit() -> str:
    """Return the commit that the code is of, with a + where files differ from it; without git nothing."""

    def git(*words: str) -> str:
        try:
            done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
        except OSError:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    found = git("rev-parse", "HEAD")
    return found + ("+" if found and git("status", "--porcelain", "--untracked-files=no", "--", "src") else "")


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
