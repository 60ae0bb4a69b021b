"""Train and look at one network in a few lines, without DVC and MLflow.

    import unrolled

    data = unrolled.load("oscillator")                          # arrays
    gru = unrolled.train("oscillator", "gru", seeds=3, epochs=10)
    print(gru.scores)                                           # test score of each replica
    gru.predictions["test"]                                     # (replica, sequence, step, output)
    gru.forecast(data.example, steps=400)                       # in the data's units

The rows come from `params.yaml` in the current folder, or from a table that is given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from unrolled import config, paths, registry
from unrolled.analysis import gradient_flow, record
from unrolled.analysis.score import Score
from unrolled.config import Experiment, Table
from unrolled.data import datasets, store
from unrolled.data.task import Data
from unrolled.errors import UnrolledError
from unrolled.models.ensemble import Ensemble
from unrolled.models.network import Network
from unrolled.training.experiments import resolve
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Result, Run

Array = NDArray[Any]
_made: dict[str, Data] = {}


def experiment(
    study: str, methods: Sequence[str] = (), table: Table | Path | None = None, **changes: Any
) -> Experiment:
    """Return the resolved experiment of a study.

    Parameters
    ----------
    study : str
    methods : sequence of str, optional
        Only these, also such that the study does not list; by default those that it lists.
    table : Table or Path, optional
        By default `params.yaml` in the current folder.
    changes
        Keys of the study's `fit` (`epochs`, `batch`, `seeds`, `learning_rates`, ...), and `seed`, `data_seed`.

    Raises
    ------
    UnrolledError
        If a name or a key is unknown, or the method cannot be used on the study.
    """
    rows = table if isinstance(table, Table) else config.load(table or paths.PARAMS)
    row = rows.study(study)
    for key in changes:
        if key not in (*config.FitRow.model_fields, "seed", "data_seed"):
            raise registry.unknown("change", key, [*config.FitRow.model_fields, "seed", "data_seed"])
    seeds = {key: changes.pop(key) for key in ("seed", "data_seed") if key in changes}
    for key, value in seeds.items():
        if type(value) is not int or value < 0:
            raise UnrolledError(f"{key} is {value!r}: give a whole number of at least 0")
    own = row.model_copy(update={"fit": row.fit | changes, "methods": _listed(row.methods, methods, rows)})
    if "data_seed" in seeds:
        own = own.model_copy(update={"data_seed": None})
    found = resolve(rows.model_copy(update={"studies": rows.studies | {study: own}} | seeds), study)
    over = dict.fromkeys(changes.keys() & {"epochs", "batch", "schedule"})  # also over what a method's own row says
    own_methods = {name: method.model_copy(update=over) for name, method in found.methods.items()}
    return found.model_copy(update={"methods": own_methods})


def _listed(entries: list[str | dict[str, dict[str, Any]]], wanted: Sequence[str], table: Table) -> list[Any]:
    """Return the study's entries of the wanted methods, and those that it does not list by their names."""
    if not wanted:
        return entries
    changed = {name: {name: row} for entry in entries if isinstance(entry, dict) for name, row in entry.items()}
    for name in wanted:
        if name not in table.methods:
            raise registry.unknown("method", name, list(table.methods))
    return [changed.get(name, name) for name in wanted]


def load(study: str, table: Table | Path | None = None, data_seed: int | None = None) -> Data:
    """Return the data of a study: training and validation arrays, test sets, facts; made once a session.

    Raises
    ------
    UnrolledError
        If the study is unknown, or its data cannot be had here.
    """
    own = experiment(study, table=table) if data_seed is None else experiment(study, table=table, data_seed=data_seed)
    return _data(own)


def _data(own: Experiment) -> Data:
    mark = store.mark(own.data)
    if mark not in _made:
        _made[mark] = datasets.make(own.data)
    return _made[mark]


@dataclass(frozen=True)
class Trained:
    """A method trained on a study: its replicas, one a seed, with the chosen hyperparameters.

    Attributes
    ----------
    run : Run
    result : Result
        Of all replicas, those that tuned included.
    data : Data
        Of the study.
    """

    run: Run
    result: Result
    data: Data

    @cached_property
    def scores(self) -> Array:
        """The study's score of each replica, (S,)."""
        score: Score = registry.make("scores", self.run.experiment.score)
        return score(self.predictions[score.test], self.data.tests[score.test])

    @property
    def predictions(self) -> dict[str, Array]:
        """Predictions of each replica on each test set, (S, N, [T,] K)."""
        return self.result.predictions

    @cached_property
    def network(self) -> Network:
        """The network that all replicas share."""
        return self.run.network(self.run.select(self.data))

    @property
    def theta(self) -> Array:
        """The weights of each replica, (S, P)."""
        return np.asarray(self.result.theta[self.result.chosen])

    @property
    def weights(self) -> dict[str, Array]:
        """The weights by name, each (S, ...)."""
        return {name: w.numpy() for name, w in self.network.unpack(torch.from_numpy(self.theta)).items()}

    @property
    def ensemble(self) -> Ensemble:
        """The trained networks: call it with inputs (B, T, D), or let it run in closed loop."""
        return self.run.ensemble(self.network, self.theta)

    @cached_property
    def gradients(self) -> pd.DataFrame:
        """How far back gradients reach, before, halfway through and after training: quartiles of their size by lag.

        Columns `when`, `lag`, `low`, `median`, `high` and `loss`, as in `analysis.gradient_flow`.
        """
        table, _ = gradient_flow.of_method(self.run, self.result, self.run.select(self.data))
        return table

    def forecast(self, inputs: Any, steps: int) -> Array:
        """Forecast from inputs (B, T, D) in their units with the best replica, (B, steps, K); see `Predictor`."""
        return Predictor.of(self.run, self.result, self.data).predict(inputs, {"steps": steps})


def published(study: str, method: str | None = None) -> Predictor:
    """Return a model of the published study, trained already: of a method the median seed.

    Parameters
    ----------
    study : str
    method : str, optional
        By default the one that validation chose.

    Raises
    ------
    UnrolledError
        If there is none, or it diverged.
    """
    return record.published(study, method).predictor()


def train(
    study: str,
    method: str,
    table: Table | Path | None = None,
    progress: Callable[[float], None] = lambda epochs: None,
    **changes: Any,
) -> Trained:
    """Train one method on a study, here and now, and return its replicas.

    Parameters
    ----------
    study, method : str
    table : Table or Path, optional
        By default `params.yaml` in the current folder.
    progress : callable, optional
        Called with 1 after each epoch.
    changes
        As in `experiment`: `seeds=3, epochs=10`, ...
    """
    from unrolled.training.fit import fit

    own = experiment(study, [method], table, **changes)
    if method not in own.methods:
        raise UnrolledError(f"method '{method}' on '{study}': {own.absent[method]}")
    run, data = Run(own, method), _data(own)
    return Trained(run, fit(run, data, progress), data)
