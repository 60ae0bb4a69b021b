"""On a GPU, where there is one: every cell and every optimiser trains there as on the CPU, up to rounding."""

from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import unrolled.training.fit as fitting
from conftest import MakeRun
from unrolled import registry
from unrolled.training.fit import fit
from unrolled.training.runs import Result

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
OPTIMISERS = {"hessian_free": {"learning_rates": [1.0]}, "ridge": {"cell": "leaky", "initialiser": "echo_state"}}
RESPONSE = {"task": "response", "system": "oscillator", "steps": 30, "train": 16, "val": 8, "test": 6, "step": 0.1}
FORECAST = {"task": "forecast", "system": "lorenz63", "steps": 20, "horizon": 6, "standardise": True, "washout": 5}
FORECAST |= {"train": 16, "val": 8, "test": 6, "step": 0.02, "score": "valid_time"}


def both(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, method: dict[str, Any], **study: Any) -> list[Result]:
    """Return the same run trained on the CPU and on the GPU."""
    found, trainer, devices = [], fitting.trainer, []
    run, data = make_run({"hidden": 6} | method, epochs=3, batch=4, learning_rates=[1e-2], **study)
    for accelerator in ("cpu", "gpu"):

        def made(epochs: int, accelerator: str = accelerator) -> pl.Trainer:
            monkeypatch.setenv("UNROLLED_ACCELERATOR", accelerator)
            made = trainer(epochs)
            devices.append(made.strategy.root_device.type)
            return made

        monkeypatch.setattr(fitting, "trainer", made)
        found.append(fit(run, data))
    assert set(devices) <= {"cpu", "cuda"} and (not devices or "cuda" in devices)
    return found


def agree(cpu: Result, gpu: Result, *more: str) -> None:
    for name in ("best_loss", "train_loss", "val_loss", *more):
        np.testing.assert_allclose(getattr(gpu, name), getattr(cpu, name), rtol=5e-3, atol=5e-4, err_msg=name)
    assert not np.array_equal(cpu.theta, gpu.theta) or not len(cpu.val_loss), "the GPU's sums round otherwise"


@pytest.mark.parametrize("cell", registry.names("cells"))
@pytest.mark.parametrize("study", [RESPONSE, FORECAST], ids=["response", "forecast"])
def test_every_cell(cell: str, study: dict[str, Any], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(*both(make_run, monkeypatch, {"cell": cell, "clip_norm": [1.0]}, **study), "theta")


@pytest.mark.parametrize("optimiser", [n for n in registry.names("optimisers") if n != "fixed"])
def test_every_optimiser(optimiser: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    method = {"cell": "elman", "optimiser": optimiser} | OPTIMISERS.get(optimiser, {})
    learning_rates = {"learning_rates": method.pop("learning_rates")} if "learning_rates" in method else {}
    more = [] if optimiser == "hessian_free" else ["theta"]  # where a step's curvature is flat, rounding moves weights
    agree(*both(make_run, monkeypatch, method | learning_rates, **RESPONSE), *more)
