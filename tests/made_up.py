"""Small made-up results in the form that the stages write, for tests of what shows them."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from unrolled.report.results import Evaluation, RandomNetworks, Results
from unrolled.report.style import looks

EPOCHS = np.arange(1, 4)
LABELS = {"rnn": "RNN", "gru": "GRU", "linear": "Ridge", "euler": "Euler", "exact": "Exact"}
FAMILIES = {"rnn": "rnn", "gru": "gru", "linear": "regression", "euler": "reference", "exact": "reference"}


def interval(low: float | None, high: float | None) -> dict[str, Any]:
    """Return an interval of three seeds."""
    return {"low": low, "high": high, "kind": "t interval of log scores", "coverage": 0.95, "n": 3}


def row(name: str, score: float, rank: int | None, **more: Any) -> dict[str, Any]:
    """Return a method's numbers."""
    found = {"score": score, "interval": interval(0.9 * score, 1.1 * score), "val_loss": score, "best_epoch": 2.0}
    found |= {"state": "converged", "converged": True}
    found |= {"logs": {"mean": float(np.log(score)), "variance": 0.01, "n": 2}, "deterministic": False, "tried": 2}
    found |= {"seeds": [score, None, score], "diverged": 1, "trained": 9, "rank": rank, "updates": 24}
    found |= {"chosen_by_validation": rank == 1, "tuned_by_hand": ""}
    found |= {"learning_rate": 0.01, "at_edge": {}, "clip": None, "parameters": 10, "network": "a"}
    found |= {"passes": {"forward": 60.0, "backward": 60.0, "curvature": 0.0}, "hidden": 4}
    found |= {"label": LABELS.get(name, name.upper()), "family": FAMILIES.get(name, "gru"), "about": "what it is"}
    found |= {"cell": "elman", "initialiser": "uniform", "optimiser": "adam", "compare_with": {}}
    found |= {"trains": rank is not None, "recurrent": True, "autoregressive": False}
    found |= {"in_sample": 0.4, "out_of_sample": 0.4}
    found |= {"attractor": {"d_stsp": 5.07, "d_h": None, "pe_20": 0.018, "exponents": None}}
    found["ensemble"] = {"members": 3, "crps": 0.7 * score, "mae": score, "coverage": 0.25, "nominal": 0.5}
    found |= {"tests": {"harder": {"score": 2 * score, "interval": interval(score, 3 * score)}}}
    return found | more


def study(name: str = "study", steps: int = 50) -> Evaluation:
    """Return a study of everything: a baseline wins, there is a floor, a linear RNN, chaos, a recall."""
    methods = {
        "rnn": row("rnn", 0.5, 3, in_sample=0.3, out_of_sample=0.5),
        "gru": row("gru", 0.4, 2, in_sample=0.34),
        "linear": row("linear", 0.35, 1, recurrent=False, in_sample=0.36, out_of_sample=0.35),
        "euler": row("euler", 0.6, None),
        "exact": row("exact", 1e-6, None),
    }
    methods["linear"]["passes"] = {"forward": 1.0, "backward": 0.0, "curvature": 0.0}
    metrics: dict[str, Any] = {"label": f"The {name}", "question": "?", "task": "recall", "kind": "many-to-one"}
    metrics |= {"score": "mse", "score_label": "MSE", "unit": "mV²", "better": "lower", "methods": methods}
    metrics["error_unit"] = "mV"
    metrics |= {"step": 0.1, "time_unit": "s", "inputs": {"u": "V"}, "outputs": {"x": "mV"}, "steps": steps}
    metrics |= {
        "closed_loop": True,
        "attractor_floor": None,
        "validated_in_closed_loop": False,
        "example_axis": "time",
        "lyapunov": None,
        "measured": False,
        "group": "memory",
        "reference": "rnn",
    }
    metrics |= {"test_label": "test set", "tests": {"harder": {"label": "harder", "unit": "mV"}}, "lost_above": 0.4}
    metrics |= {"recall": {"steps": steps, "chance": 1 / 6, "solved": 0.0016}, "dynamics": dynamics()}
    metrics |= {"sequences": {"blocks": 0, "variance": {}}, "comparisons": []}
    metrics |= {"floor": {"theory": 1 / 3, "in_sample": 0.32, "out_of_sample": 0.34}}
    for each in methods.values():
        each["extras"] = {"solved": 0.0, "updates": None, "steps": float(steps), "sequences_solved": 0.1}
    tables = {"curves": curves(), "forecasts": forecasts(methods), "data": data(), "growth": growth()}
    tables |= {"power_spectrum": spectra(methods), "gradients": gradients(methods)}
    return Evaluation(name, metrics, tables, looks(FAMILIES))


def answers() -> dict[str, Any]:
    """Return what a reader asks, answered for two such studies."""
    pair = {"one": "linear", "other": "gru", "ratio": 1.2, "p": 0.01, "answer": "better", "note": "", "terms": {}}
    mean = {"ratio": 1.2, "p": 0.2, "weights": {"study": 0.5, "other": 0.5}, "answer": "undecided"}
    asked = {"id": "lstm", "question": "Is the LSTM better than the GRU?", "verdict": "undecided"}
    pairs = {"study": pair, "other": pair | {"answer": "undecided"}}
    return {"choices": pairs, "questions": [asked | {"pairs": pairs, "over_studies": mean}]}


def results(random_networks: tuple[Any, dict[str, pd.DataFrame]], studies: list[Evaluation] | None = None) -> Results:
    """Return two such studies, or the given ones, with random networks."""
    numbers, tables = random_networks
    return Results(studies or [study(), study("other", 200)], RandomNetworks(dict(numbers), tables))


def experiment(shown: Evaluation) -> dict[str, Any]:
    """Return the resolved experiment of a study."""
    method = {"cell": "elman", "hidden": 4, "options": {"leak_rate": 0.3, "activation": "relu"}, "inputs": ["u"]}
    method |= dict.fromkeys(
        ("clip_norm", "clip_value", "truncate", "steps", "input_noise", "residual", "closed_loop", "epochs", "centred")
    )
    method["tuned_by_hand"] = "5 settings, on validation data"
    data = {"system": "sine", "parameters": {"omega": 1.0}, "record": None, "washout": 5, "window": 7}
    fit = {"seeds": 3, "epochs": 3, "batch": 8, "learning_rates": [0.01], "schedule": "cosine"}
    return {
        "data": data | {"train": 60, "val": 20, "test": 20},
        "fit": fit,
        "methods": dict.fromkeys(shown.methods, method),
        "absent": {"lstm": "not asked here"},
    }


def reversed_ranks(shown: Evaluation) -> Evaluation:
    """Return the same with the recurrent network ahead of the baseline."""
    metrics = copy.deepcopy(shown.metrics)
    methods = metrics["methods"]
    methods["gru"] |= {"rank": 1, "score": 0.2, "interval": interval(0.19, 0.21), "val_loss": 0.2}
    methods["linear"] |= {"rank": 2, "score": 0.6, "interval": interval(0.5, 0.7), "val_loss": 0.6}
    for name in ("gru", "linear"):
        methods[name]["chosen_by_validation"] = name == "gru"
    return replace(shown, metrics=metrics)


def dynamics() -> dict[str, Any]:
    """Return step matrices that damp at 0.1, at 0.05 and about 0.1."""

    def step(decay: float) -> dict[str, Any]:
        value = np.exp(complex(-decay, 1) * 0.1)
        return {"eigenvalues": [[value.real, -value.imag], [value.real, value.imag]], "decay": decay, "frequency": 1.0}

    trained = [step(each) for each in (0.09, 0.09, 0.1, 0.12, 0.12)]
    known = {"exact": [step(0.1)], "euler": [step(0.05)], "learned": trained}
    return known | {"step": 0.1, "method": "rnn", "followed": 3}


def curves() -> pd.DataFrame:
    """Return losses of two methods."""
    curve = {"low": 0.1 / EPOCHS, "median": 0.2 / EPOCHS, "high": 0.3 / EPOCHS, "epoch": EPOCHS}
    both = [(method, loss) for method in ("rnn", "gru") for loss in ("train", "val")]
    return pd.concat([pd.DataFrame({"method": method, "loss": loss, **curve}) for method, loss in both])


def forecasts(methods: dict[str, Any]) -> pd.DataFrame:
    """Return the truth as everyone's prediction."""
    line = {"output": "x", "time": EPOCHS, "value": np.sin(EPOCHS)}
    return pd.concat([pd.DataFrame({"method": method, **line}) for method in ("truth", *methods)])


def data() -> pd.DataFrame:
    """Return a series in three parts."""
    line = {"channel": "x", "time": EPOCHS, "value": EPOCHS}
    return pd.concat([pd.DataFrame({"split": split, **line}) for split in ("train", "val", "test")])


def growth() -> pd.DataFrame:
    """Return errors that grow at the rates 3, 2 and 1."""
    time, tables = np.arange(0, 12, 0.1), []
    for method, first, rate in (("rnn", 1e-2, 3), ("gru", 1e-3, 2), ("linear", 1e-5, 1)):
        error = first * np.exp(rate * time)
        lines = {"time": time, "low": error / 2, "median": np.minimum(error, 1.4), "high": 2 * error}
        tables.append(pd.DataFrame({"method": method, **lines}))
    return pd.concat(tables)


def gradients(methods: dict[str, Any]) -> pd.DataFrame:
    """Return gradients that change by 0.9, 0.8, ... a step after training, in the order of the methods."""
    tables = []
    for place, name in enumerate(methods):
        for when, factor in (("before", 0.5), ("after", 0.9 - 0.1 * place)):
            size = factor ** np.arange(20.0)
            lines = {"when": when, "lag": np.arange(20), "low": size, "median": size, "high": size, "loss": size}
            tables.append(pd.DataFrame(lines | {"method": name}))
        slope = float(np.log(0.9 - 0.1 * place))
        rates = {"before": float(np.log(0.5)), "after": slope, "exponent": slope, "memory": -1 / slope, "radius": 0.9}
        methods[name]["flow"] = rates
    return pd.concat(tables)


def spectra(methods: dict[str, Any]) -> pd.DataFrame:
    """Return paths and spectra, and give each method its error."""
    tables, ramp = [], np.arange(1.0, 9.0)
    for place, name in enumerate(["truth", *methods]):
        tables += [pd.DataFrame({"method": name, "kind": kind, "a": ramp, "b": ramp}) for kind in ("path", "spectrum")]
        if name in methods:
            methods[name]["power_spectrum_error"] = {"gru": 0.05}.get(name, 0.1 * place)
    return pd.concat(tables)
