"""What the scores of one study say: who is best, by how much, and what each choice is worth."""

from typing import Any

from unrolled.report.results import FIRST, Evaluation
from unrolled.report.words import listed, number, result


def ranking(study: Evaluation) -> str:
    """Say who comes first, who is the best recurrent network, and where the reference stands."""
    rows, order, reference = study.methods, study.ranked, study.metrics["reference"]
    best = order[0]
    what = f"the longest {study.score}" if study.higher else "the lowest test error"
    text = f"{study.label_of(best)} has {what}: {result(rows[best])}."
    close = [n for n in order[1:] if _overlap(rows[n]["interval"], rows[best]["interval"])]
    if close:
        text += f" Its range overlaps those of {listed(study.labels(close))}: the order among them is not settled."
    recurrent = next((name for name in order if rows[name]["recurrent"]), None)
    if recurrent not in (None, best):
        what = (
            "is autoregressive: its only state is its past outputs"
            if rows[best]["autoregressive"]
            else "is not recurrent"
        )
        text += f" It {what}. The best recurrent network is {study.label_of(recurrent)} with {result(rows[recurrent])}."
    if reference in order and reference not in (best, recurrent):
        text += f" {study.label_of(reference)} has {result(rows[reference])}."
    return text


def choices(study: Evaluation) -> str:
    """Say what each choice is worth: two methods that differ in nothing else."""
    rows, said = study.methods, []
    for method, row in rows.items():
        for other, choice in row["compare_with"].items():
            if other in rows and None not in (row["median"], rows[other]["median"]):
                names = f"{study.label_of(other)} to {study.label_of(method)}"
                said.append(f"{choice}, {number(rows[other]['median'])} to {number(row['median'])} ({names})")
    if not said:
        return ""
    return f"What each choice is worth, {study.score}: {'; '.join(said)}."


def test_sets(study: Evaluation) -> str:
    """Say who is best on each further test set, and which networks beat an autoregression."""
    first, rows = study.ranked[0], study.methods
    others = {test: names for test, names in study.test_sets.items() if test != FIRST}
    if not others:
        return ""
    parts = []
    for test, names in others.items():
        best = study.best_on(test)
        unit = "" if names["unit"] == "dimensionless" else f" {names['unit']}"
        also = "also" if best == first else f"not {study.label_of(first)} but"
        error = f"{number(study.on(best, test)['median'])}{unit}"
        parts.append(f"on “{names['label'].lower()}” {also} {study.label_of(best)} is best (RMSE {error})")
    text = f"Of the other test sets, {'; '.join(parts)}."
    networks = [name for name in study.ranked if rows[name]["recurrent"]]
    for name in study.ranked:
        if rows[name]["autoregressive"] and not rows[name]["recurrent"]:
            ahead = study.labels(n for n in networks if rows[n]["rank"] < rows[name]["rank"])
            label = study.label_of(name)
            text += (
                f" {label}, a regression fitted in a second, is beaten on the first by {listed(ahead, 'no network')}."
            )
    return text


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["low"] <= other["high"] and other["low"] <= one["high"])


def significance(study: Evaluation) -> str:
    """Say which differences from the reference are more than chance."""
    reference, rows = study.metrics["reference"], study.methods
    if reference not in study.ranked:
        return ""
    tested = {n: row["p_vs_rnn"] for n, row in rows.items() if row["p_vs_rnn"] is not None}
    clear, label = [n for n, p in tested.items() if p < 0.05], study.label_of(reference)
    if not tested:
        return f"There are too few seeds to test differences from {label}."
    if not clear:
        others = "the other method" if len(tested) == 1 else f"any of the {len(tested)} other methods"
        return f"A paired t-test (Holm, 5 %) does not tell {others} from {label}."
    base = rows[reference]["median"]
    better = [n for n in clear if (rows[n]["median"] < base) != study.higher]
    worse = [n for n in clear if n not in better]
    parts = [
        f"{word} {listed(study.labels(names))}" for word, names in (("better:", better), ("worse:", worse)) if names
    ]
    return f"Different from {label} by more than chance (paired t-test, Holm, 5 %): {'; '.join(parts)}."


def edges(study: Evaluation) -> str:
    """Say whose chosen learning rate lies at the edge of those tried: it may do better beyond."""
    names = study.labels(name for name, row in study.methods.items() if row["rate_at_edge"])
    return f"At the edge of the learning rates tried, so perhaps better beyond: {listed(names)}." if names else ""
