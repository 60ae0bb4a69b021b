"""What the scores of one study say: who is chosen, what the planned comparisons came to, what each choice is worth."""

from collections import Counter

from unrolled.analysis.comparison import Comparison
from unrolled.analysis.statistics import REGION
from unrolled.report.results import FIRST, Evaluation
from unrolled.report.words import listed, number, result


def ranking(study: Evaluation) -> str:
    """Say which method validation chooses and its test score, the best recurrent one so, and where the reference is."""
    rows, best, reference = study.methods, study.best, study.metrics["reference"]
    if best is None:
        counts = Counter(study.without_score(name) for name, row in rows.items() if row["trains"] and not row["rank"])
        said = listed([f"{count} {what}" for what, count in counts.items()], "none is trained")
        return f"Validation chooses no method: of {len(rows)}, {said}."
    text = f"Validation chooses {study.label_of(best)}: {study.score} {result(rows[best])} on the test data."
    if by_hand := rows[best]["tuned_by_hand"]:
        text += f" Its fixed settings were tuned by hand: {by_hand}."
    if study.ranked[0] != best:
        first = study.ranked[0]
        text += f" By test score, an exploratory order, {study.label_of(first)} comes first: {result(rows[first])}."
    recurrent = study.best_of(name for name in study.ranked if rows[name]["recurrent"])
    if recurrent is not None and recurrent != best:
        what = (
            "is autoregressive: its only state is its past outputs"
            if rows[best]["autoregressive"]
            else "is not recurrent"
        )
        text += f" What is chosen {what}. Of the recurrent networks it is {study.label_of(recurrent)}"
        text += f" with {result(rows[recurrent])}." if recurrent != study.ranked[0] else "."
    if reference in study.ranked and reference not in (best, recurrent):
        text += f" {study.label_of(reference)} has {result(rows[reference])}."
    return text


def choices(study: Evaluation) -> str:
    """Say what each choice is worth: two methods that differ in nothing else."""
    rows, said = study.methods, []
    for method, row in rows.items():
        for other, choice in row["compare_with"].items():
            if other in rows and None not in (row["score"], rows[other]["score"]):
                names = f"{study.label_of(other)} to {study.label_of(method)}"
                said.append(f"{choice}, {number(rows[other]['score'])} to {number(row['score'])} ({names})")
    if not said:
        return ""
    return f"What each choice is worth by points (exploratory), {study.score}: {'; '.join(said)}."


def test_sets(study: Evaluation) -> str:
    """Say who has the lowest error on each further test set, and which networks have a lower one than a regression."""
    first, rows = study.best, study.methods
    others = {test: names for test, names in study.test_sets.items() if test != FIRST}
    if not others or first is None:
        return ""
    parts = []
    for test, names in others.items():
        lowest = study.lowest_on(test)
        if lowest is None:
            parts.append(f"on “{names['label'].lower()}” no method has an error")
            continue
        unit = "" if names["unit"] == "dimensionless" else f" {names['unit']}"
        also = "also" if lowest == first else f"not {study.label_of(first)} but"
        error = f"{names.get('score', 'RMSE')} {number(study.on(lowest, test)['score'])}{unit}"
        parts.append(f"on “{names['label'].lower()}” {also} {study.label_of(lowest)} has the lowest error ({error})")
    text = f"Of the other test sets (exploratory), {'; '.join(parts)}."
    networks = [name for name in study.ranked if rows[name]["recurrent"]]
    for name in study.ranked:
        if rows[name]["autoregressive"] and not rows[name]["recurrent"]:
            ahead = study.labels(n for n in networks if rows[n]["rank"] < rows[name]["rank"])
            label = study.label_of(name)
            text += (
                f" By points, the first has a lower error than {label}, a regression fitted in a second, with "
                f"{listed(ahead, 'no network')}."
            )
    return text


def planned(study: Evaluation) -> str:
    """Say what the planned comparisons on this study came to: those that the claims name."""
    said = [_compared(study, each) for each in study.metrics.get("comparisons", [])]
    return f"Planned comparisons: {'; '.join(said)}." if said else ""


def _compared(study: Evaluation, found: Comparison) -> str:
    one, other = study.labels([found["one"], found["other"]])
    words = {
        "better": f"{one} is better than {other}",
        "worse": f"{one} is worse than {other}",
        "equivalent": f"{one} is as good as {other}, within a factor of {REGION:g}",
        "undecided": f"{one} against {other} is undecided",
    }
    ratio = [] if found.get("ratio") is None else [f"ratio {number(found['ratio'])}"]
    p = [] if found.get("p") is None else [f"p {number(found['p'])}"]
    beside = ", ".join([*ratio, *p, *([found["note"]] if found["note"] else [])])
    return words[found["answer"]] + (f" ({beside})" if beside else "")


def edges(study: Evaluation) -> str:
    """Say which hyperparameters were chosen at the edge of the values tried: a method may do better beyond."""
    found: dict[str, list[str]] = {}
    for name, row in study.methods.items():
        for what, end in row["at_edge"].items():
            found.setdefault(f"the {end} {what.replace('_', ' ')}", []).append(study.label_of(name))
    said = "; ".join(f"{what} tried, {listed(names)}" for what, names in found.items())
    return f"Chosen at the edge of what was tried, so perhaps better beyond: {said}." if said else ""
