"""Every environment variable that this project reads is looked at before anything runs."""

import ast
import os
from pathlib import Path

import pytest

import pipeline
from conftest import Refused
from unrolled import environment, registry
from unrolled.errors import UnrolledError

BAD = [
    *(("UNROLLED_WORKERS", text) for text in ("0", "", "-1", "1.5", "many", " 2")),
    ("UNROLLED_MEASURED", "/no/such/folder"),
    *(("UNROLLED_RUN", text) for text in ("now", "nan", "inf", "-1", "1e99", "")),
    ("UNROLLED_BROWSER", "yes"),
    ("UNROLLED_ACCELERATOR", "card"),
    *(("UNROLLED_OWNER", text) for text in ("", "a b", "../x")),
    *(("DASK_SCHEDULER_ADDRESS", text) for text in ("host", "nonsense://host:1", "tcp://host", "tcp://a b:1")),
    *(("MLFLOW_TRACKING_URI", text) for text in ("http://", "https:///x", " http://host", "http://host\n")),
    ("NUMBA_CACHE_DIR", "/proc/nowhere"),
]
GOOD = [
    ("UNROLLED_MEASURED", ""),
    ("UNROLLED_WORKERS", "3"),
    ("UNROLLED_RUN", "1700000000"),
    ("UNROLLED_BROWSER", "required"),
    ("UNROLLED_ACCELERATOR", "gpu"),
    *(("DASK_SCHEDULER_ADDRESS", text) for text in ("", "tcp://host:8786", "10.0.0.1:1", "tls://[::1]:9")),
    *(("MLFLOW_TRACKING_URI", text) for text in ("", "http://h:5", "sqlite:///mlflow.db", "databricks", "/a/mlruns")),
    ("NUMBA_CACHE_DIR", ""),
]


@pytest.fixture(autouse=True)
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the user's settings."""
    for name in (*environment.VARIABLES, *(each for each in os.environ if each.startswith(environment.OURS))):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_value_that_cannot_be_used_is_one_line_with_the_remedy(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(UnrolledError, match=rf"^{name} is '{text}': .*, or unset it$"):
        environment.check()


@pytest.mark.parametrize(("name", "text"), GOOD)
def test_what_is_fine_passes(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, text)
    environment.check()
    assert environment.value(name) == (text or None)


def test_a_name_like_ours_that_is_not_known_is_refused_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv("UNROLLED_WORKER", "2")
    with refused("environment variable 'UNROLLED_WORKER' is not known", "did you mean 'UNROLLED_WORKERS'?"):
        environment.check()


def test_each_bad_value_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("UNROLLED_WORKERS", "0"), ("UNROLLED_RUN", "x"), ("UNROLLED_X", "")):
        monkeypatch.setenv(name, text)
    with pytest.raises(UnrolledError) as caught:
        environment.check()
    assert [line.removeprefix("unrolled: ").split()[0] for line in str(caught.value).splitlines()] == [
        "UNROLLED_RUN",
        "UNROLLED_WORKERS",
        "environment",
    ]


def test_a_folder_of_kernels_that_others_may_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    environment.check()
    tmp_path.chmod(0o777)
    with refused("others may write there", "a folder of your own"):
        environment.check()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "new" / "folder"))
    environment.check()
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with refused("others may write there"):
        environment.check()


def read_by_the_source() -> set[str]:
    """Return the names of variables that the source reads: `os.environ[...]`, `.get(...)`, and by `environment`."""
    found = set()
    for path in registry.ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if node.value.startswith("UNROLLED_") else set()
    return found - {environment.OURS}


def test_the_table_has_every_variable_and_readme_too() -> None:
    assert read_by_the_source() <= set(environment.VARIABLES)
    text = (pipeline.ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in environment.VARIABLES if f"| `{name}` |" not in text] == []
