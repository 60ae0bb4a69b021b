"""What others have published, beside what was measured here."""

from typing import Any

from unrolled.report.results import FIRST, Evaluation, ends
from unrolled.report.words import number

SAME = 1.02
"""The factor below which a difference outside our interval is not spoken of: that of rounding, and of 50 samples."""
WITHIN, AS_GOOD = "within our interval", f"as good, to {SAME - 1:.0%}"


def compare(studies: list[Evaluation]) -> list[dict[str, Any]]:
    """Return each published value with ours, its interval and a verdict; those of absent studies are left out.

    Both are of the same score, in its `unit` here. An entry has `study`, `method`, `value`, `source`, `differs`;
    `test` where it is held against another test set than the first, `model` where it is another than the method's
    name says, `verdict` where the numbers cannot be compared.
    """
    rows = []
    for study in studies:
        for entry in study.published:
            test = entry.get("test", FIRST)
            known = entry["method"] in study.methods and test in study.test_sets
            if not known or study.on(entry["method"], test)["score"] is None:
                continue
            ours, best = study.on(entry["method"], test), study.best or entry["method"]
            rows.append(
                entry
                | {
                    "score": study.metrics["score"],
                    "unit": study.test_sets[test]["unit"],
                    "ours": ours["score"],
                    "interval": ours["interval"],
                }
                | {"verdict": entry.get("verdict") or verdict(entry["value"], ours, study.higher)}
                | {"best_here": best, "best_score": study.on(best, test)["score"]}
            )
    return rows


def verdict(value: float, ours: dict[str, Any], higher: bool) -> str:
    """Say whether ours is better, worse, or as good within its interval."""
    low, high = ends(ours)
    if low <= value <= high:
        return WITHIN
    worse = high < value if higher else low > value
    nearest = high if worse == higher else low
    factor = max(nearest / value, value / nearest) if min(nearest, value) > 0 else float("inf")
    if factor < SAME:
        return AS_GOOD
    return f"ours is {'worse' if worse else 'better'}, by a factor of {number(factor)} at least"


def compares(row: dict[str, Any]) -> bool:
    """Return whether ours can be held against a published value: a row of `compare`."""
    return "not comparable" not in row["verdict"]
