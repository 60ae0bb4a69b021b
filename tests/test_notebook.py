"""The notebook runs from top to bottom as it stands, in the project's folder and in its own."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "first_steps.ipynb"


def test_the_first_steps(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    plt.switch_backend("agg")
    monkeypatch.chdir(NOTEBOOK.parent)  # where Jupyter starts
    shown: list[list[float]] = []
    monkeypatch.setattr(plt, "show", lambda: (shown.append([len(axis.lines) for axis in plt.gcf().axes]), plt.close()))
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    scope: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), scope)
    assert [len(each) for each in shown] == [1, 2, 1] and all(min(each) > 1 for each in shown)
    assert scope["gru"].scores.max() < 0.01 < 0.1 < scope["rnn"].scores.min(), "as its text says"
    error = np.abs(scope["forecast"][:165] - scope["truth"][:165])
    assert error.max() < 1.0 < np.ptp(scope["truth"]) / 30, "it follows for three Lyapunov times at least"
    said = capsys.readouterr().out
    assert "inputs  (5000, 50, 2)" in said and "test error of each seed" in said
    images = [out for cell in cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert len(images) == len(shown), "the stored pictures are there"
