"""No key is accepted that changes nothing: what an item declares to use changes what comes of it.

Keys of training by the optimisers that declare them, own keys of tasks, options of cells and initialisers.
"""

import hashlib
from typing import Any, get_args

import numpy as np
import pytest
import torch

import small_studies
from conftest import experiment_of, make_cell
from unrolled import registry
from unrolled.config import Method
from unrolled.data import datasets
from unrolled.data.system import of
from unrolled.data.task import Data, Task
from unrolled.models.initialiser import Problem
from unrolled.training import contracts
from unrolled.training.fit import fit
from unrolled.training.optimiser import TRAINING
from unrolled.training.runs import Run

METHOD: dict[str, Any] = {"label": "?", "cell": "elman", "hidden": 3, "learning_rates": [1e-2]}
CHANGES: dict[str, Any] = {
    **{"epochs": 3, "batch": 4, "schedule": "cosine", "learning_rates": [3e-2], "clip_norm": [1e-3]},
    **{"clip_value": [1e-4], "truncate": 3, "input_noise": 0.1, "centred": True, "closed_loop": 5, "steps": 12},
    "forcing": {"rule": "input", "interval": 3},
    "omega": [10.0],
}
"""Another value of each key of training."""
OTHER: dict[str, Any] = {
    "val_horizon": 3,
    "precision": "double",
    "noise": [0.0, 1.0],
    "amplitudes": [0.3, 0.6],
    "stronger_force": [2.0, 3.0],
    "longer": [40, 60],
    "shortest": 13,
}
"""Other values of own keys of tasks; numbers grow by one."""
QUICK, SLOW = ("adam", "ridge"), ("sgd", "rmsprop", "nesterov", "hessian_free", "fixed")
_data: dict[str, Data] = {}


@pytest.fixture(scope="module", autouse=True)
def where_the_record_is(made_up_record: None) -> None:
    """Stand beside it."""


def trained(study: str, optimiser: str, **changes: Any) -> bytes:
    """Return the weights of a small network after a little training."""
    row = small_studies.study(study)
    if study not in _data:
        _data[study] = datasets.make(row)
    experiment = experiment_of(row, {"m": METHOD | {"optimiser": optimiser} | changes}, epochs=2)
    return fit(Run(experiment, "m"), _data[study]).theta.tobytes()


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_what_an_optimiser_declares_to_use_changes_what_is_trained(name: str, exhaustive: bool) -> None:
    if name in SLOW and not exhaustive:
        pytest.skip("quick tests take one optimiser of each kind")
    optimiser = registry.load("optimisers", name)
    assert set(optimiser.uses) <= set(TRAINING) == set(CHANGES)
    for key in TRAINING:
        study = "silverbox" if key == "steps" else "lorenz"
        plain, changed = trained(study, name), trained(study, name, **{key: CHANGES[key]})
        method = Method(**METHOD | {"optimiser": name, key: CHANGES[key]})
        refused = [line for line in contracts.of_row(method, "m") if line.startswith(f"m.{key} changes nothing")]
        assert bool(refused) == (key not in optimiser.uses)
        if key in optimiser.uses:
            assert changed != plain, key
        # Means would change weights that are fixed; Hessian-free's curvature, unlike its gradient, knows no truncation.
        elif not optimiser.iterative and key != "centred":
            assert changed == plain, key


def digest(data: Data) -> str:
    """Return the hash of all arrays."""
    every = [data.train, data.val, *(vars(test) for tests in (data.tests, data.val_tests) for test in tests.values())]
    arrays = [each[key] for each in every for key in ("inputs", "targets", "times")]
    return hashlib.sha256(b"".join(array.tobytes() + str(array.shape).encode() for array in arrays)).hexdigest()


REAL = ("noisy_sine", "oscillator", "recall_50", "fitzhugh_nagumo", "santa_fe", "silverbox", "initial_value")
SYMBOLS = ("copy_memory", "selective_copying", "temporal_order")
KEYS = [
    (name, key)
    for name in (*REAL, *SYMBOLS)
    for key in registry.load("tasks", small_studies.TABLE.study(name).data.task).Settings.model_fields
]


@pytest.mark.parametrize(("study", "key"), KEYS)
def test_every_key_of_a_task_changes_the_data_or_is_refused(study: str, key: str) -> None:
    row = small_studies.study(study)
    item: type[Task] = registry.load("tasks", row.task)
    now = getattr(item(**row.settings).settings, key)
    if key == "observed":
        other = [row.system and of(row).states[1]] if row.system else ["x"]
    elif key in OTHER:
        other = OTHER[key]
    else:
        other = not now if isinstance(now, bool) else (now or 0) + 1
    few = {"train": 6, "val": 2, "test": 2} if study == "initial_value" else {}  # stiff, so one by one
    row, changed = small_studies.study(study, **few), small_studies.study(study, **few | {key: other})
    same = digest(datasets.make(row)) == digest(datasets.make(changed))
    assert same == (row.record is not None and key in item.of_systems)
    assert item(**changed.settings).refuses(changed, of(changed)) is None


def another(default: Any, annotation: Any) -> Any:
    """Return another value of a setting."""
    choices = [each for each in get_args(annotation) if isinstance(each, str)]
    if choices:
        return next(each for each in choices if each != default)
    if isinstance(default, bool):
        return not default
    return default + 1 if isinstance(default, int) else default * 0.99 + 0.005


OPTIONS = [
    (kind, name, key)
    for kind in ("cells", "initialisers")
    for name in registry.names(kind)
    for key in registry.load(kind, name).Settings.model_fields
    if key not in contracts.ELSEWHERE
]


@pytest.mark.parametrize(("kind", "name", "key"), OPTIONS)
def test_every_option_changes_a_network(kind: str, name: str, key: str) -> None:
    item = registry.load(kind, name)
    field = item.Settings.model_fields[key]
    given = [{}, {key: another(field.default, field.annotation)}]
    found = []
    for options in given:
        if kind == "cells":
            cell = make_cell(name, 2, **({"hidden": 30, "window": 3} | options))
            random = torch.Generator().manual_seed(0)
            w = {n: torch.randn(1, *weight.shape, generator=random) / 5 for n, weight in cell.weights().items()}
            x = torch.randn(1, 2, 5, 2, generator=torch.Generator().manual_seed(1))
            found.append(cell.expand(cell.run(w, x)[0]).numpy())
        else:
            every = (
                make_cell(each, 2, hidden=30, discretisation="damped")
                for each in ("elman", "lru", "linoss", "selective")
            )
            cell = next(each for each in every if item().supports(Problem(each.weights(), units=30)) is None)
            drawn = item(**options).initialise(Problem(cell.weights(), units=30), np.random.default_rng(0))
            found.append(np.concatenate([array.ravel() for array in drawn.values()]))
    assert found[0].shape != found[1].shape or (found[0] != found[1]).any()
