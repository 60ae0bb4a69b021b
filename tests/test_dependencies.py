"""`dvc.yaml` names, for each stage, the rooms that its code reaches: by imports, and by the items that it loads."""

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import ROOT
from unrolled import registry

STAGES = [name for name in registry.names("stages") if not name.startswith("_")]
BESIDE = {"report": {"data", "models", "training"}}
"""Rooms of which a stage makes no output: the report logs in MLflow, and names types."""


def row_of(stage: str) -> dict[str, Any]:
    """Return a stage's row."""
    row: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    return row.get("do", row)


def loaded(file: Path) -> set[str]:
    """Return the kinds whose items a file loads: `registry.load("cells", ...)`."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call) and node.args]
    named = [(call.func.value, call.args[0]) for call in calls if isinstance(call.func, ast.Attribute)]
    kinds = {
        first.value for of, first in named if getattr(of, "id", "") == "registry" and isinstance(first, ast.Constant)
    }
    return kinds & set(registry.KINDS)


def reached(stage: str) -> set[Path]:
    """Return the files that a stage imports, directly or not, with all items of the kinds that it loads."""
    found: set[Path] = set()
    more = {registry.path("stages", stage)}
    while more != found:
        found = more
        closure = registry.sources(*found)
        kinds = {kind for file in closure for kind in loaded(file)} - {"stages"}
        more = {*closure, *(registry.path(kind, name) for kind in kinds for name in registry.names(kind))}
    return found


def rooms(files: set[Path]) -> set[str]:
    """Return the rooms of some files of the package; what stands beside the rooms computes nothing."""
    parts = [file.relative_to(registry.ROOT).parts for file in files]
    return {each[0] for each in parts if len(each) > 1} - {"stages"}


def declared(stage: str) -> set[Path]:
    """Return the sources that a stage depends on."""
    return {ROOT / each for each in row_of(stage)["deps"] if each.startswith("src/")}


def test_every_stage_is_in_the_pipeline() -> None:
    assert set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]) == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_rooms_that_it_reaches_and_on_itself(stage: str) -> None:
    assert all(path.exists() for path in declared(stage))
    folders = {path for path in declared(stage) if path.is_dir()}
    assert rooms({each / "x" for each in folders}) == rooms(reached(stage)) - BESIDE.get(stage, set())
    assert registry.path("stages", stage) in declared(stage)


def test_what_is_loaded_by_name_is_reached() -> None:
    assert registry.path("optimisers", "adam") in reached("train")
    assert registry.path("claims", "clipping") in reached("report")
    assert rooms(reached("generate")) == {"data"}


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "configure"])
def test_a_stage_depends_on_the_versions_of_the_libraries(stage: str) -> None:
    assert "requirements.lock" in row_of(stage)["deps"]
