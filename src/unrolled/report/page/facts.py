"""Sentences of the page that say what was done: seeds, sizes, units, and how the verdicts count."""

from collections import Counter
from typing import Any

from unrolled.report.published import AS_GOOD, NOT_RUN, WITHIN, compares
from unrolled.report.results import Evaluation, Results
from unrolled.report.words import listed, number

FACTORS = (1.25, 2.0)
"""Within which of the published error ours is said to be."""


def seeds(results: Results, experiments: dict[str, dict[str, Any]]) -> str:
    """Say how many seeds there are: "3", or "3 to 5"."""
    known = sorted({experiments[study.name]["fit"]["seeds"] for study in results.studies})
    return " to ".join(str(each) for each in dict.fromkeys((known[0], known[-1]))) if known else "no"


def intro(results: Results, experiments: dict[str, dict[str, Any]]) -> str:
    """Say how much was compared."""
    names = {name for study in results.studies for name in study.methods}
    on = f"{len(results.studies)} studies" if len(results.studies) > 1 else "one study"
    number_of = seeds(results, experiments)
    return f"{len(names)} methods on {on}, {number_of} seeds each, hyperparameters tuned on validation data."


def of_study(study: Evaluation, experiment: dict[str, Any]) -> str:
    """Say what a study's data are, and how the methods are trained on it."""
    data, fit, metrics = experiment["data"], experiment["fit"], study.metrics
    record = data["record"]
    source = f"Measured: {record['file'] or record['source']}" if record else f"System: {data['system']}"
    source = source if record or data["system"] else "Symbols drawn at random"
    parameters = "".join(f", {key} = {value:g}" for key, value in data["parameters"].items())
    unit = "" if metrics["time_unit"] == "dimensionless" else f" {metrics['time_unit']}"
    steps = f", sequences of {metrics['steps']} steps" if metrics["steps"] else ""
    sizes = f"{data['train']} / {data['val']} / {data['test']}"
    what = "trajectories" if metrics["steps"] and not record else "values"
    washout = f"; the first {data['washout']} steps are not scored (washout)" if data["washout"] else ""
    rates = listed([number(rate) for rate in fit["learning_rates"]])
    window = f"; methods without recurrence see a window of {data['window']}" if data["window"] else ""
    schedule = "" if fit["schedule"] == "constant" else " that stays for half of the updates and falls to a hundredth"
    return (
        f"Task: {metrics['task'].replace('_', ' ')} ({metrics['kind']}). {source}{parameters}. Step "
        f"{number(metrics['step'])}{unit}{steps}; {sizes} {what} for training, validation and test{washout}. "
        f"{fit['seeds']} seeds, {fit['epochs']} epochs, batches of {fit['batch']}, learning rate {rates}{schedule}"
        f"{window}. Score: {study.score}, {metrics['better']} is "
        "better."
    )


def verdicts(claims: list[dict[str, Any]]) -> str:
    """Say how many claims were measured, with how many of each verdict, and how many are demonstrations."""
    kinds = {kind: [c["verdict"] for c in claims if c["kind"] == kind] for kind in ("measured", "demonstration")}
    said = [
        f"{len(found)} {what}: {', '.join(f'{n} “{verdict}”' for verdict, n in Counter(found).items())}"
        for found, what in zip(kinds.values(), ("measured", "demonstrations"), strict=True)
        if found
    ]
    return "; ".join(said)


def literature(rows: list[dict[str, Any]]) -> str:
    """Say how many of our numbers are as good as the published ones, better, worse; and met within which factor."""
    count = Counter(_kind(row["verdict"]) for row in rows)
    ratios = [row["ours"] / row["value"] for row in rows if compares(row)]
    met = {factor: sum(ratio <= factor for ratio in ratios) for factor in FACTORS}
    within = listed([f"{n} within a factor of {factor:g}" for factor, n in met.items()])
    said = f"Of {len(rows)} published values, ours is {', '.join(f'{kind} on {n}' for kind, n in count.most_common())}."
    return (
        f"{said} Of the {len(ratios)} that compare, {within} of the published error, or below it." if ratios else said
    )


def followed(rows: list[dict[str, Any]]) -> str:
    """Say on how many values the protocol was followed exactly, and how often ours is as good."""
    same = [row for row in rows if row["protocol"] == "same"]
    count = Counter(_kind(row["verdict"]) for row in same if row["verdict"] != NOT_RUN)
    said = ", ".join(f"{kind} on {n}" for kind, n in count.most_common()) or "not run"
    waiting = sum(row["verdict"] == NOT_RUN for row in rows)
    more = f" {waiting} of the {len(rows)} rows are not run yet." if waiting else ""
    return (
        f"Apart from this run, {len(same)} values were computed again by the protocol of their source (make literature "
        f"repeats it): ours is {said}.{more}"
    )


def _kind(verdict: str) -> str:
    if verdict in (WITHIN, AS_GOOD):
        return "as good"
    return next((word for word in ("better", "worse") if f"ours is {word}" in verdict), "not comparable")


def origin(ledger: dict[str, Any]) -> str:
    """Say of the published study what it stands on, and how far it is if it is not whole."""
    count, left = ledger["records"], len(ledger["lacking"])
    hours = f"{ledger['core_hours']:.3g} core-hours"
    said = f"The published study: {count} runs (a method on a study), {hours}."
    return f"{said} It is under way: {left} of {count + left} are still to come." if left else said
