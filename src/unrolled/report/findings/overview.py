"""What spans the studies."""

from collections import Counter

import numpy as np

from unrolled.report.results import Evaluation
from unrolled.report.words import listed, number

GATED = ("lstm", "gru")
"""Families of networks with gates."""


def overall(studies: list[Evaluation]) -> list[str]:
    """Return the findings that span the studies, as sentences."""
    chosen = {study.label: study.methods[study.best]["recurrent"] for study in studies if study.best is not None}
    plain, none = [label for label in chosen if not chosen[label]], [s.label for s in studies if s.best is None]
    first = (
        f"Validation chooses a method without recurrence on {len(plain)} of {len(studies)} studies ({listed(plain)}): "
        "check the simple baseline first."
        if plain
        else f"Validation chooses a recurrent network on {'all ' * (not none)}{len(chosen)} studies."
    )
    first += f" It chooses none on {listed(none)}: no method that is trained has a validation loss." if none else ""
    diverged = sum(row["diverged"] for study in studies for row in study.methods.values())
    trained = sum(row["trained"] for study in studies for row in study.methods.values())
    last = f"{diverged} of {trained} trained replicas diverged."
    return [text for text in (convergence(studies), last, first, gates(studies), otherwise(studies)) if text]


def converged(studies: list[Evaluation]) -> str:
    """Say in a few words how many trainings have come to their end."""
    states = [row["state"] for study in studies for row in study.methods.values() if row["state"]]
    return f"{states.count('converged')} of {len(states)} trainings have converged." if states else ""


def convergence(studies: list[Evaluation]) -> str:
    """Say how many methods' trainings came to their end, and which did not."""
    named = [(study.label_of(n), study.label, row["state"]) for study in studies for n, row in study.methods.items()]
    trained = [each for each in named if each[2]]
    count = Counter(state for _, _, state in trained)
    text = (
        f"Of {len(trained)} trainings (a method on a study) {count['converged']} have converged: the lowest validation "
        "loss fell by less than 5 % over the last fifth of the updates; flat under its schedule where the learning "
        "rate has fallen by then"
    )
    others = [f"{count[state]} {state}" for state in ("still improving", "at chance", "diverged") if count[state]]
    where = Counter(label for _, label, state in trained if state == "still improving")
    unfinished = f"; still improving on {listed([f'{label} ({n})' for label, n in where.items()])}" if where else ""
    return f"{text}; {', '.join(others)}{unfinished}." if others else f"{text}."


def gates(studies: list[Evaluation]) -> str:
    """Say how the gated network that validation chooses compares with the reference."""
    found = {}
    for study in _errors(studies):
        gated = study.best_of(name for name in study.ranked if study.methods[name]["family"] in GATED)
        if gated is not None:
            found[study.label] = (_gain(study, gated), study.label_of(gated))
    return _summary("the gated network (LSTM or GRU) that validation chooses", found)


def otherwise(studies: list[Evaluation]) -> str:
    """Say how the reference compares with the same network trained in the other way that validation chooses."""
    found = {}
    for study in _errors(studies):
        reference, rows = study.metrics["reference"], study.methods
        same = study.best_of(
            n for n in study.ranked if n != reference and rows[n]["network"] == rows[reference]["network"]
        )
        if same is not None:
            passes = number(study.cost(same) / study.cost(reference))
            found[study.label] = (_gain(study, same), f"{study.label_of(same)}, at {passes} times the passes")
    what = "initialisation, clipping, truncation or optimiser"
    return _summary(f"the same network trained in the other way ({what}) that validation chooses", found)


def _errors(studies: list[Evaluation]) -> list[Evaluation]:
    """Return the studies that are scored by an error and whose reference has one."""
    return [study for study in studies if not study.higher and study.metrics["reference"] in study.ranked]


def _gain(study: Evaluation, method: str) -> float:
    """Return the error of the reference over that of a method."""
    error = study.methods[method]["score"]
    return float(study.methods[study.metrics["reference"]]["score"] / error) if error else float(np.inf)


def _summary(what: str, found: dict[str, tuple[float, str]]) -> str:
    """Say by which factors something has a smaller error than the simple RNN, by points; of what has an error."""
    gains = {label: gain for label, (gain, _) in found.items() if 0 < gain < np.inf}
    if not gains:
        return ""
    most, mean = max(gains, key=lambda label: gains[label]), float(np.exp(np.log([*gains.values()]).mean()))
    return (
        f"Exploratory, by points: the error of the simple RNN over that of {what} is {number(mean)} in the geometric "
        f"mean over {len(gains)} studies, from {number(min(gains.values()))} to {number(gains[most])} ({most}: "
        f"{found[most][1]})."
    )
