"""Tables that somebody changed: each is accepted, or refused in one line a problem, at once; what is accepted runs.

A few are drawn in `make test`, thousands with `--exhaustive`.
"""

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import small_studies
import tiny
from real_table import ALL
from unrolled import registry
from unrolled.data import datasets
from unrolled.errors import UnrolledError
from unrolled.training.fit import fit
from unrolled.training.runs import Run
from unrolled.training.table import check, check_rows

LONGEST = 10.0
"""Seconds that a check may take on a busy machine; most take a few hundredths."""
ITEMS = {"task": "tasks", "system": "systems", "source": "records", "score": "scores"}
ITEMS |= {"cell": "cells", "initialiser": "initialisers", "optimiser": "optimisers"}
NAMES = ["..", "../x", "x/y", ".hidden", "", "trained", "index", "a b", "x;touch y", "ä", "con", "a\nb", "x" * 300, "1"]
VALUES: list[Any] = [None, True, False, 0, -1, 1, 2, 7, 10**6, 10**9, 10**30, -0.5, 0.5, 1e-300, 1e300, 1.0e6, 1.0e12]
VALUES += [float("inf"), float("nan"), [], {}, [None], [[]], [0.0], [1.0, 0.0], [-1e300, 1e300], {"a": 1}, [3, 3]]
VALUES += ["1e-3", "yes", "12:30", "linear", "rnn", "x", "y_prev", ["y_prev"], ["V1", "V1"], ["core", "core"], *NAMES]
Path_ = tuple[Any, ...]


def one_study(name: str) -> dict[str, Any]:
    """Return the real table with one of its studies and the methods that it lists."""
    table = copy.deepcopy(ALL)
    study = table["studies"][name]
    listed = {each for entry in study["methods"] for each in ([entry] if isinstance(entry, str) else entry)}
    kept = listed | {member for group in listed & {*table["groups"]} for member in table["groups"][group]}
    table["studies"] = {name: study}
    table["methods"] = {key: row for key, row in table["methods"].items() if key in kept}
    table["groups"] = {key: members for key, members in table["groups"].items() if {*members} <= kept}
    del table["shared"]
    return table


def places(row: Any, above: Path_ = ()) -> Iterator[Path_]:
    """Yield the place of each value in a table."""
    pairs = row.items() if isinstance(row, dict) else enumerate(row) if isinstance(row, list) else ()
    for key, value in pairs:
        yield (*above, key)
        yield from places(value, (*above, key))


def at(table: Any, place: Path_) -> Any:
    """Return what stands at a place."""
    for key in place:
        table = table[key]
    return table


SMALL: list[Any] = [None, True, 0, 1, 2, 3, 5, 7, 12, 0.5, 1.0e-3, [0.1], [1.0, 2.0], "linear", "cosine", ["y_prev"]]
"""Values with which an accepted table trains in a moment."""
FOREIGN = [(place[-1], at(ALL, place)) for place in places(ALL) if isinstance(place[-1], str) and len(place) > 2]
"""Keys of some row with their values, for rows that they do not belong to."""
KINDS = ["delete", "rename", "value", "item", "twice", "foreign", "name"]


@st.composite
def changed(draw: st.DrawFn, tables: list[dict[str, Any]], values: list[Any]) -> dict[str, Any]:
    """Draw one of some tables with one to three changes."""
    table = copy.deepcopy(draw(st.sampled_from(tables)))
    for _ in range(draw(st.integers(1, 3))):
        every = [*places(table)]
        own = [place for place in every if place[0] in ("studies", "methods")]
        place = draw(st.sampled_from(draw(st.sampled_from([every, own])) or every))
        kind = draw(st.sampled_from(KINDS))
        if kind == "item":
            items = [each for each in every if each[-1] in ITEMS and isinstance(at(table, each), str)]
            place = draw(st.sampled_from(items or every))
        elif kind == "name":
            place = draw(st.sampled_from([each for each in every if len(each) == 2]))
        row, key = at(table, place[:-1]), place[-1]
        if kind == "delete":
            del row[key]
        elif kind == "item" and key in ITEMS:
            row[key] = draw(st.sampled_from(registry.names(ITEMS[key])))
        elif kind in ("rename", "name") and isinstance(row, dict):
            row[draw(st.sampled_from([*NAMES, f"{key}s", str(key)[:-1], str(key).upper()]))] = row.pop(key)
        elif kind == "twice" and isinstance(row, list):
            row.append(copy.deepcopy(row[key]))
        elif kind == "foreign" and isinstance(row, dict):
            name, value = draw(st.sampled_from(FOREIGN))
            row[name] = copy.deepcopy(value)
        else:
            row[key] = copy.deepcopy(draw(st.sampled_from(values)))
    return table


def drawing(examples: int) -> Any:
    """Return the settings of a test that draws so many tables, the same ones each time."""
    return settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )


def test_a_changed_table_is_accepted_or_refused_in_lines(tmp_path: Path, exhaustive: bool) -> None:
    path, found = tmp_path / "params.yaml", {"accepted": 0, "refused": 0}

    @drawing(4000 if exhaustive else 60)
    @given(changed([one_study(name) for name in ALL["studies"]], VALUES))
    def drawn(table: dict[str, Any]) -> None:
        path.write_text(yaml.safe_dump(table, sort_keys=False, allow_unicode=True), encoding="utf-8")
        began = time.monotonic()
        checked = check(path)
        assert time.monotonic() - began < LONGEST
        assert all(line and line.isprintable() for line in [*checked.problems, *checked.warnings]), checked.problems
        assert bool(checked.problems) == (checked.table is None)
        found["refused" if checked.problems else "accepted"] += 1

    drawn()
    assert min(found.values()) > 5, found


def test_what_is_accepted_runs(in_tmp: Path, exhaustive: bool) -> None:
    small_studies.write_record(in_tmp)
    found = {"trained": 0, "too large": 0}

    @drawing(1000 if exhaustive else 25)
    @given(changed([tiny.raw(task) for task in small_studies.TASKS], SMALL))
    def drawn(table: dict[str, Any]) -> None:
        for experiment in check_rows(table, "params.yaml").experiments:
            row, fits = experiment.data, [Run(experiment, name) for name in experiment.methods]
            task = registry.load("tasks", row.task)(**row.settings)
            work = task.span(row) * (row.train + row.val + row.test) * max(run.fit.epochs for run in fits)
            if work > 10**5 or (row.record is not None and row.record.source != "csv"):
                found["too large"] += 1
                continue
            try:
                data = datasets.make(row)
            except UnrolledError as error:  # what only the numbers say: a record that is short, an unstable system
                assert str(error).isprintable()
                continue
            for run in fits if exhaustive else fits[:2]:
                result = fit(run, data)
                assert set(result.predictions) == set(data.tests)
            found["trained"] += 1

    drawn()
    assert found["trained"] > 2, found
