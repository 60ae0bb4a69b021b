"""Where a number comes from: the commit with a mark of changes, versions, processor; also where there is no git."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from unrolled import provenance


def git(*words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *identity, *words], capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_says_whether_the_source_differs_from_it(in_tmp: Path) -> None:
    assert provenance.commit() == ""
    Path("src").mkdir()
    for name in ("src/a.py", "notes.txt"):
        Path(name).write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(*words)
    head = git("rev-parse", "HEAD")
    assert provenance.commit() == head
    Path("notes.txt").write_text("2")
    assert provenance.commit() == head
    Path("src/a.py").write_text("2")
    assert provenance.commit() == f"{head}+"


def test_without_git_and_without_proc_there_is_still_an_answer(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = provenance.about(provenance.commit())
    assert found["commit"] == "" and found["versions"]["numpy"] == np.__version__
    monkeypatch.setattr(provenance, "CPUINFO", Path("none"))
    assert provenance.processor()
