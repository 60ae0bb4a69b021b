"""Two methods on one study: the ratio of their scores, and whether it means anything; the numbers of metrics.json."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from unrolled.analysis import statistics
from unrolled.analysis.statistics import LEVEL, MOST_DIVERGED, Answer, category, solves

Row = dict[str, Any]
"""The numbers of one method on one study, as in metrics.json."""
Comparison = dict[str, Any]
"""`one` and `other`; `ratio`, above 1 where `one` is better; the `terms` of the variance of its logarithm, each with
its degrees of freedom; `p`, corrected for the number of pairs in the family; `answer`; and a `note` of what to know.
Where a task is solved or not, instead of `ratio`, `terms` and `p` the numbers of seeds that do, `solved`."""


LARGEST = 700.0
"""The largest difference of logarithms that is told from others: of a ratio that a float can hold."""


class Pair(NamedTuple):
    """A planned comparison: `one` against `other` on a study."""

    study: str
    one: str
    other: str


def best_by_validation(rows: dict[str, Row]) -> str | None:
    """Return the method with the lowest validation loss, None of none."""
    known = {name: row["val_loss"] for name, row in rows.items() if row["val_loss"] is not None}
    return min(known, key=lambda name: known[name], default=None)


def family(studies: dict[str, dict[str, Any]], pairs: Iterable[Pair]) -> dict[Pair, Comparison]:
    """Compare planned pairs; Holm corrects for the number of those that have a p-value, each pair counted once."""
    found = {pair: compare(studies[pair.study], pair.one, pair.other) for pair in dict.fromkeys(pairs)}
    p = np.array([np.nan if each.get("p") is None else each["p"] for each in found.values()])
    for each, corrected in zip(found.values(), statistics.holm(p).tolist() if len(p) else [], strict=True):
        if each.get("p") is not None:
            each["p"] = float(f"{corrected:.6g}")
        each["answer"] = answer(each)
    return found


def compare(study: dict[str, Any], one: str, other: str) -> Comparison:
    """Return the ratio of two methods' scores and its p-value before any correction.

    d = ȳ_B - ȳ_A of mean log scores (larger is worse), with the variance s_A²/n_A + s_B²/n_B + v: v is the jackknife's
    over the shared test sequences, and Satterthwaite gives the degrees of freedom. A deterministic method has no term
    of its own. No p where more than one seed in five diverged, or where no variance can be had.
    """
    rows = study["methods"][one], study["methods"][other]
    found: Comparison = {"one": one, "other": other}
    if "recall" in study:
        counts = {name: solved(row) for name, row in zip((one, other), rows, strict=True)}
        said = " and ".join(f"{each['solved']} of {each['of']}" for each in counts.values())
        return found | {"solved": counts, "note": f"solved by {said} seeds"}
    if None in (logs := [row["logs"] for row in rows]):
        return found | {"ratio": None, "terms": {}, "p": None, "note": _diverged(one, rows[0], other, rows[1])}
    d = min(max(logs[1]["mean"] - logs[0]["mean"], -LARGEST), LARGEST)
    found |= {"ratio": float(f"{np.exp(d):.6g}"), "terms": dict(_terms(study, one, other)), "p": None}
    notes = [_diverged(one, rows[0], other, rows[1])]
    if "sequences" not in found["terms"]:
        notes.append("over seeds only")
    if any(lost(row) > MOST_DIVERGED for row in rows):
        notes.append("undecided (diverges)")
    elif any(each["variance"] is None for each in logs):
        notes.append("one seed says nothing of chance")
    elif sum(term["variance"] for term in found["terms"].values()) > 0:
        terms, freedom = (np.array([t[key] for t in found["terms"].values()]) for key in ("variance", "freedom"))
        degrees = statistics.satterthwaite(terms, freedom)
        found["p"] = float(statistics.p_value(np.array(d), terms.sum(), degrees))
    return found | {"note": "; ".join(note for note in notes if note)}


def _terms(study: dict[str, Any], one: str, other: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the parts of the variance of the difference that are known, and the degrees of freedom of each."""
    for key, name in (("one", one), ("other", other)):
        logs = study["methods"][name]["logs"]
        if logs["n"] > 1:
            yield key, {"variance": logs["variance"] / logs["n"], "freedom": logs["n"] - 1}
    known = study["sequences"]["variance"]
    shared = known.get(one, {}).get(other, known.get(other, {}).get(one))
    if shared is not None:
        yield "sequences", {"variance": shared, "freedom": study["sequences"]["blocks"] - 1}


def lost(row: Row) -> float:
    """Return the share of the seeds that have no score."""
    return sum(seed is None for seed in row["seeds"]) / len(row["seeds"])


def _diverged(one: str, first: Row, other: str, second: Row) -> str:
    counts = {name: sum(seed is None for seed in row["seeds"]) for name, row in ((one, first), (other, second))}
    sizes = {one: len(first["seeds"]), other: len(second["seeds"])}
    return "; ".join(f"{count} of {sizes[name]} seeds of {name} diverged" for name, count in counts.items() if count)


def solved(row: Row) -> dict[str, int]:
    """Return how many seeds of a method solve a task that is solved or not, and of how many."""
    return {"solved": round(row["extras"]["solved"] * len(row["seeds"])), "of": len(row["seeds"])}


def passes(row: Row) -> float:
    """Return the passes of one replica through the training set, a product with the curvature counted twice."""
    return float(row["passes"]["forward"] + row["passes"]["backward"] + 2 * row["passes"]["curvature"])


def solver(row: Row) -> bool:
    """Return whether enough of a method's seeds solve a task that is solved or not."""
    return bool(solves(**solved(row)))


def answer(found: Comparison) -> Answer:
    """Return whether `one` is better than `other`, worse, or equivalent; undecided where the numbers leave it open.

    Where a task is solved or not, a method that does is better than one that does not, and two that both do, or both do
    not, are equivalent.
    """
    if "solved" in found:
        mine, theirs = (solves(**found["solved"][found[key]]) for key in ("one", "other"))
        if mine is None or theirs is None:
            return "undecided"
        return "equivalent" if mine == theirs else "better" if mine else "worse"
    if found["ratio"] is None or found["p"] is None or found["p"] > LEVEL:
        return "undecided"
    return category(float(np.log(max(found["ratio"], 1e-300))))


def over_studies(pairs: dict[str, Comparison]) -> Comparison | None:
    """Return the random-effects mean of the ratio over studies, and its p-value; None with no study that has one.

    Of one study it is that one's own. `weights` are those of the studies.
    """
    known = {study: each for study, each in pairs.items() if each.get("p") is not None}
    if not known:
        return None
    if len(known) == 1:
        [(study, only)] = known.items()
        return {"ratio": only["ratio"], "p": only["p"], "weights": {study: 1.0}, "answer": only["answer"]}
    d = np.log([each["ratio"] for each in known.values()])
    variances = np.array([sum(term["variance"] for term in each["terms"].values()) for each in known.values()])
    mean, variance, weights = statistics.random_effects(d, variances)
    # Studies that differ by nothing at all say nothing of how others would.
    p = float(statistics.p_value(np.array(mean), np.array(variance), np.array(len(d) - 1.0))) if variance > 0 else 1.0
    found: Comparison = {"ratio": float(f"{np.exp(mean):.6g}"), "p": float(f"{p:.6g}")}
    found["weights"] = {study: float(f"{w:.6g}") for study, w in zip(known, weights.tolist(), strict=True)}
    return found | {"answer": answer(found)}
