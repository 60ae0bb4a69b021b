"""What spans the studies."""

import numpy as np

from unrolled.report.results import Evaluation
from unrolled.report.words import listed, number

GATED = ("lstm", "gru")
"""Families of networks with gates."""


def overall(studies: list[Evaluation]) -> list[str]:
    """Return the findings that span the studies, as sentences."""
    plain = [study.label for study in studies if not study.methods[study.ranked[0]]["recurrent"]]
    first = (
        f"A method without recurrence is best on {len(plain)} of {len(studies)} studies ({listed(plain)}): check the "
        "simple baseline first."
        if plain
        else f"A recurrent network is best on all {len(studies)} studies."
    )
    diverged = sum(row["diverged"] for study in studies for row in study.methods.values())
    trained = sum(row["trained"] for study in studies for row in study.methods.values())
    last = f"{diverged} of {trained} trained replicas diverged."
    return [text for text in (first, gates(studies), otherwise(studies), last) if text]


def gates(studies: list[Evaluation]) -> str:
    """Say how much better than the reference the best gated network is."""
    found = {}
    for study in _errors(studies):
        gated = [name for name in study.ranked if study.methods[name]["family"] in GATED]
        if gated:
            found[study.label] = (_gain(study, gated[0]), study.label_of(gated[0]))
    return _summary("the best gated network (LSTM or GRU)", found)


def otherwise(studies: list[Evaluation]) -> str:
    """Say how much better the reference becomes when the same network is trained in another way."""
    found = {}
    for study in _errors(studies):
        reference, rows = study.metrics["reference"], study.methods
        same = [n for n in study.ranked if n != reference and rows[n]["network"] == rows[reference]["network"]]
        if same:
            passes = number(study.cost(same[0]) / study.cost(reference))
            found[study.label] = (
                _gain(study, same[0]),
                f"{study.label_of(same[0])}, at {passes} times the passes",
            )
    return _summary("the same network in the best other way (initialisation, clipping, truncation or optimiser)", found)


def _errors(studies: list[Evaluation]) -> list[Evaluation]:
    """Return the studies that are scored by an error and whose reference has one."""
    return [study for study in studies if not study.higher and study.metrics["reference"] in study.ranked]


def _gain(study: Evaluation, method: str) -> float:
    """Return the error of the reference over that of a method."""
    return float(study.methods[study.metrics["reference"]]["median"] / study.methods[method]["median"])


def _summary(what: str, found: dict[str, tuple[float, str]]) -> str:
    """Say on how many studies something has a smaller error than the simple RNN, and by which factors."""
    if not found:
        return ""
    gains = {label: gain for label, (gain, _) in found.items()}
    most, better = max(gains, key=lambda label: gains[label]), sum(gain > 1 for gain in gains.values())
    return (
        f"Against the simple RNN, {what} has the smaller error on {better} of {len(found)} studies: by a factor of "
        f"{number(float(np.median([*gains.values()])))} in the median, and of {number(gains[most])} at most "
        f"({most}: {found[most][1]})."
    )
