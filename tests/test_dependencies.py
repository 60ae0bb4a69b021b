"""`dvc.yaml` names what each stage imports, no less and no more than its folders."""

from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
import yaml

from pipeline import ROOT
from unrolled.registry import names

EVERYWHERE = {"unrolled", "unrolled.config", "unrolled.paths", "unrolled.errors", "unrolled.registry"}
"""The plumbing: it reads names and paths, and computes nothing."""
STAGES = ("generate", "methods", "train", "evaluate", "theory", "report")
LEARNING = ("cells", "initialisers", "optimisers", "systems", "tasks")
ITEMS = {
    "generate": ("series", "systems", "tasks"),
    "methods": (),
    "train": LEARNING,
    "evaluate": LEARNING,
    "theory": ("cells", "initialisers", "tasks"),
    "report": (*LEARNING, "claims", "figures"),
}
"""Kinds whose items a stage loads by name, which grimp cannot see."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("unrolled", cache_dir=None)


def imported(graph: grimp.ImportGraph, stage: str) -> set[str]:
    """Return the folders below `src/unrolled` that a stage imports, directly or not, with its items."""
    entries = {f"unrolled.stages.{stage}"}
    entries |= {f"unrolled.{kind}.{name}" for kind in ITEMS[stage] for name in names(kind)}
    modules = entries.union(*(graph.find_upstream_modules(entry) for entry in entries)) - EVERYWHERE
    return {module.split(".")[1] for module in modules} - {"stages"}


def declared(stage: str) -> Iterator[Path]:
    """Yield the source dependencies of a stage, relative to `src/unrolled`."""
    row = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    for dependency in row.get("do", row)["deps"]:
        if dependency.startswith("src/unrolled/"):
            yield Path(dependency).relative_to("src/unrolled")


@pytest.mark.parametrize("stage", STAGES)
def test_deps_exist_and_include_the_stage_itself(stage: str) -> None:
    assert Path(f"stages/{stage}.py") in set(declared(stage))
    assert all((ROOT / "src/unrolled" / path).exists() for path in declared(stage))


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_exactly_the_folders_imported(graph: grimp.ImportGraph, stage: str) -> None:
    folders = {path.parts[0] for path in declared(stage)} - {"stages"}
    assert folders == imported(graph, stage)


def test_a_missing_dependency_would_be_seen(graph: grimp.ImportGraph) -> None:
    less = {path.parts[0] for path in declared("train")} - {"stages", "cells"}
    assert less != imported(graph, "train")
