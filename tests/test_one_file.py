"""A new file costs the studies that use it, and gone it leaves nothing; the code that runs is that of the folder."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline import outputs, run

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("one file")]
FILES = {
    "data/systems/rossler.py": '''
"""Rössler's system."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unrolled.data.system import Array, System


@dataclass(frozen=True)
class Rossler(System):
    """x' = -y - z, y' = x + a y, z' = b + z (x - c)."""

    equation: ClassVar[str] = "x' = −y − z,  y' = x + a y,  z' = b + z (x − c)"
    source: ClassVar[str] = "Rössler, Phys. Lett. A 57 (1976) 397, doi 10.1016/0375-9601(76)90101-8"
    states: ClassVar[tuple[str, ...]] = ("x", "y", "z")

    a: float = 0.2
    b: float = 0.2
    c: float = 5.7

    def rhs(self, t: float, state: Array, inputs: Array | None) -> Array:
        x, y, z = state
        return np.stack([-y - z, x + self.a * y, self.b + z * (x - self.c)])

    def jacobian(self, t: float, state: Array, inputs: Array | None) -> Array:
        x, y, z = state
        one = np.ones_like(x)
        return np.array([[0 * one, -one, -one], [one, self.a * one, 0 * one], [z, 0 * one, x - self.c]])

    def start(self, random: np.random.Generator, count: int) -> Array:
        return random.uniform(-1, 1, (count, 3))
''',
    "models/cells/peephole.py": '''
"""LSTM whose gates see the memory."""

from typing import ClassVar

import torch
from torch import Tensor

from unrolled.models.cell import Cell, State, Weight, Weights, affine


class Peephole(Cell):
    """Gates i, f, o of x U + h W + b + p c."""

    family: ClassVar[str] = "lstm"

    def weights(self) -> dict[str, Weight]:
        return affine(self.inputs, self.hidden, 4 * self.hidden) | {"p": Weight((1, 3 * self.hidden), "diagonal", 1)}

    def start(self, x: Tensor) -> State:
        zero = x.new_zeros(*x.shape[:2], self.hidden)
        return zero, zero

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        h, c = state
        i, f, g, o = (x @ w["U"] + h @ w["W"] + w["b"]).chunk(4, dim=-1)
        p_i, p_f, p_o = w["p"].chunk(3, dim=-1)
        c = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        return torch.sigmoid(o + p_o * c) * torch.tanh(c), c
''',
    "training/optimisers/adamw.py": '''
"""Adam with decoupled weight decay."""

import torch
from torch import Tensor

from unrolled.training.optimiser import Batch, Replicas
from unrolled.training.optimisers.adam import Adam


class AdamW(Adam):
    """θ ← (1 - λ) θ after each of Adam's steps."""

    def update(self, population: Replicas, batch: Batch) -> Tensor:
        loss = super().update(population, batch)
        with torch.no_grad():
            population.theta.mul_(1 - 1e-4)
        return loss
''',
    "report/figures/sizes.py": '''
"""Weights of every method."""

from matplotlib.figure import Figure

from unrolled.report.figure import StudyFigure
from unrolled.report.results import Evaluation
from unrolled.report.style import new, title


class Sizes(StudyFigure):
    """One bar a method."""

    caption = "How many weights each method has, peepholes included."

    def applies(self, study: Evaluation) -> bool:
        return any(row["cell"] == "peephole" for row in study.methods.values())

    def draw(self, study: Evaluation) -> Figure:
        figure, axes = new(6, 3)
        axes[0, 0].bar(list(study.methods), [row["parameters"] for row in study.methods.values()])
        axes[0, 0].set_ylabel("weights")
        title(figure, "Peepholes cost little")
        return figure
''',
    "analysis/claims/peepholes.py": '''
"""Claim: peepholes help."""

from unrolled.analysis.claim import Claim, Evidence, Judged, Numbers, against, balance, counted
from unrolled.analysis.comparison import Pair


class Peepholes(Claim):
    """Holds if better."""

    number = 99
    statement = "An LSTM whose gates see its memory is better than a simple network."
    measured = "On every study with both."
    figure = "headline"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        return against(evidence, lambda row: row["cell"] == "peephole")

    def measure(self, evidence: Evidence) -> Numbers | None:
        return evidence.over(self.pairs(evidence))

    def judge(self, numbers: Numbers) -> Judged:
        return balance(numbers), counted(numbers)
''',
}
ROWS = """
methods:
  peephole: {label: LSTM with peepholes, cell: peephole, hidden: 8}
  rnn_adamw: {label: "RNN, AdamW", cell: elman, hidden: 8, optimiser: adamw}
studies:
  rossler:
    label: Rössler
    question: How exact is a forecast of Rössler's system?
    data: {system: rossler, task: forecast, step: 0.1, steps: 20, horizon: 5, train: 8, val: 4, test: 4}
    fit: {epochs: 2, batch: 8}
    score: rmse
    methods: [rnn, peephole, rnn_adamw]
  my_series:
    label: My series
    question: And of my own series?
    data: {record: {file: data/measured/mine.csv, outputs: [height], units: {height: cm}}, task: forecast,
      step: 1.0, steps: 20, horizon: 5, train: 200, val: 100, test: 100}
    fit: {epochs: 2, batch: 8}
    score: rmse
    methods: [gru]
"""


def test_adding_one_file_costs_one_study(repro: Path, copy: Path) -> None:
    src, params, csv = copy / "src/unrolled", copy / "params.yaml", copy / "data/measured/mine.csv"
    before, table, old = outputs(copy), params.read_text(), yaml.safe_load(params.read_text())
    count = len(list((copy / "data/trained").rglob("*.npz")))
    for name, content in FILES.items():
        (src / name).write_text(content.lstrip())
    csv.write_text("height\n" + "\n".join(f"{170 + np.sin(0.3 * t):.6f}" for t in range(400)) + "\n")
    rows = yaml.safe_load(ROWS)
    params.write_text(yaml.safe_dump(old | {key: old[key] | rows[key] for key in rows}, sort_keys=False))

    said = run(copy, "dvc", "repro").stdout
    assert [name for name in old["studies"] if f"\n{name}: kept\n" not in said] == []
    assert f"train: 4 runs trained, {count} kept" in said and "random networks: kept" in said
    assert f"evaluate: 2 studies evaluated, {len(old['studies'])} kept" in said
    found = outputs(copy)
    kept = {name for name in before if re.match(r"reports/(studies|curves)/", name)}
    assert len(kept) > 50 and [name for name in kept if found[name] != before[name]] == []
    metrics = json.loads(found["reports/metrics.json"])
    assert set(metrics["rossler"]["methods"]) == {"rnn", "peephole", "rnn_adamw"}
    assert metrics["my_series"]["outputs"] == {"height": "cm"}
    assert "reports/figures/rossler-sizes.svg" in found and "reports/figures/my_series-sizes.svg" not in found
    page = found["reports/index.html"].decode()
    assert "peepholes included" in page and "My series" in page
    *_, claim = json.loads(found["reports/claims.json"])
    assert claim["number"] == 99 and set(claim["numbers"]["pairs"]) == {"rossler"}

    for name in FILES:
        (src / name).unlink()
    csv.unlink()
    params.write_text(table)
    said = run(copy, "dvc", "repro").stdout
    assert f"train: 0 runs trained, {count} kept" in said
    assert f"evaluate: 0 studies evaluated, {len(old['studies'])} kept" in said
    found = outputs(copy)
    assert [n for n in found.keys() | before.keys() if n != "dvc.lock" and found.get(n) != before.get(n)] == []
    assert not (copy / "data/trained/rossler").exists()


def test_a_git_worktree_and_full_run_their_own_code(copy: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    run(copy, "git", "worktree", "add", "-q", str(beside))
    for folder, word in ((beside, "CHANGED BESIDE"), (beside / "full", "CHANGED IN FULL")):
        if folder.name == "full":
            run(beside, "python", "-m", "unrolled.full.project")
            assert "CHANGED BESIDE" in (folder / "src/unrolled/data/systems/sine.py").read_text()
        system = folder / "src/unrolled/data/systems/sine.py"
        system.write_text(
            re.sub(r'source: ClassVar\[str\] = "[^"]*"', f'source: ClassVar[str] = "{word}"', system.read_text())
        )
        shutil.copytree(copy / "data/experiments", folder / "data/experiments")
        run(folder, "python", "-m", "unrolled.stages", "generate", "sine")
        assert json.loads((folder / "data/studies/sine/dataset.json").read_text())["source"] == word
    assert "CHANGED" not in (copy / "data/studies/sine/dataset.json").read_text()
