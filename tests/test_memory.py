"""What a run takes of memory at its most is told before it starts, within a factor of two."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeRun, Refused
from unrolled.training import memory
from unrolled.training.memory import GIB, Shapes

SRC = Path(memory.__file__).parents[2]
FORECAST = {"task": "forecast", "system": "lorenz63", "steps": 60, "horizon": 300, "step": 0.02, "score": "valid_time"}
RESPONSE = {"task": "response", "system": "oscillator", "steps": 400, "step": 0.1}
CASES = [
    ({"cell": "lstm", "hidden": 192}, RESPONSE | {"train": 64, "val": 16, "test": 16, "batch": 64}),
    (
        {"cell": "leaky", "initialiser": "echo_state", "optimiser": "ridge", "hidden": 300},
        FORECAST | {"train": 32, "val": 16, "test": 48},
    ),
    ({"cell": "elman", "hidden": 64, "optimiser": "hessian_free"}, RESPONSE | {"train": 96, "val": 8, "test": 8}),
]
GROWN = """
import json, sys
import conftest
from unrolled.data import datasets
from unrolled.config import DataRow
from unrolled.training import memory
from unrolled.training.fit import fit
from unrolled.training.runs import Run
method, study, fitted = json.loads(sys.argv[1])
score = study.pop("score", "mse")
row = DataRow.model_validate(study)
run = Run(conftest.experiment_of(row, {"method": method}, score, **fitted), "method")
data = datasets.make(row)
open("/proc/self/clear_refs", "w").write("5")
status = lambda key: 1024 * int(next(l for l in open("/proc/self/status") if l.startswith(key)).split()[1])
before = status("VmRSS")
fit(run, data)
print(status("VmHWM") - before, sum(memory.parts(run, memory.Shapes.of(run, data)).values()))
"""


def test_the_estimate_is_what_is_measured_within_a_factor_of_two(exhaustive: bool) -> None:
    for method, study in CASES if exhaustive else CASES[:1]:
        compare(method, study)


def compare(method: dict[str, Any], study: dict[str, Any]) -> None:
    """Train in a process of its own, and hold its growth against the estimate."""
    row = {"train": 16, "val": 8, "test": 8, "window": 5} | {k: v for k, v in study.items() if k != "batch"}
    fitted = {"epochs": 1, "seeds": 3, "batch": study.get("batch", 16)}
    environment = os.environ | {"PYTHONPATH": f"{SRC}{os.pathsep}{Path(__file__).parent}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", GROWN, json.dumps([method, row, fitted])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown, estimate = map(float, done.stdout.split()[-2:])
    assert grown > 100e6, "or else the case is too small to tell"
    assert 0.5 < (estimate + 50e6) / grown < 2.0, (grown, estimate)


def test_a_run_that_needs_more_than_there_is_names_the_keys(
    make_run: MakeRun, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, data = make_run({"cell": "lstm", "hidden": 4096}, seeds=9)
    monkeypatch.setattr(memory, "available", lambda: 2.0 * GIB)
    with refused("studies.study: method 'method' needs about", "of 2.0 GiB", "most of it by hidden, seeds"):
        memory.fitting([run], {"study": data})


def test_fewer_are_trained_at_once_where_memory_is_short(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, data = make_run({"cell": "elman", "hidden": 4})
    monkeypatch.setattr(memory.processes, "count", lambda: 4)
    need = memory.peak(run, Shapes.of(run, data))
    for room, fit in ((1.5, 1), (3.5, 3), (9.0, 4)):
        monkeypatch.setattr(memory, "available", lambda room=room: room * need)
        assert memory.fitting([run] * 6, {"study": data}) == fit
        assert (f"{fit} of 4 workers train at once" in capsys.readouterr().out) == (fit < 4)
    assert memory.fitting([run] * 2, {"study": data}) == 2


def test_more_of_anything_needs_more(make_run: MakeRun) -> None:
    def need(method: dict[str, Any], **study: Any) -> float:
        run, data = make_run({"cell": "gru", "hidden": 64} | method, **study)
        return memory.peak(run, Shapes.of(run, data))

    least = need({})
    for method, study in (({"hidden": 128}, {}), ({}, {"seeds": 9}), ({}, {"train": 4000}), ({}, {"test": 4000})):
        assert need(method, **study) > least
    assert 0 < memory.available() < 1e15
