"""What others have published, beside what was measured here."""

from pathlib import Path
from typing import Any

import yaml

from unrolled.report.findings import number
from unrolled.report.style import Evaluation

SAME = 1.02
"""The factor below which a difference outside our interval is not spoken of: that of rounding, and of 50 samples."""
TABLE = Path(__file__).with_name("published.yaml")


def entries() -> list[dict[str, Any]]:
    """Return the table of published values."""
    table: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return table


def compare(evaluations: list[Evaluation], given: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Return each published value with ours, its interval and a verdict; those of absent studies are left out.

    Parameters
    ----------
    given : list of dict, optional
        `study`, `method`, `value`, `source`, `differs`, and `field` where it is held against another
        number of the method's row than the median of its score, `model` where it is another than the
        method's name says, `verdict` where the numbers cannot be compared; by default those of `published.yaml`.
    """
    known = given if given is not None else entries()
    by_name = {evaluation.name: evaluation for evaluation in evaluations}
    rows = []
    for entry in known:
        evaluation = by_name.get(entry["study"])
        row = evaluation.methods.get(entry["method"]) if evaluation else None
        field = entry.get("field", "median")
        if evaluation is None or row is None or row[field] is None:
            continue
        interval = row["ci95" if field == "median" else f"{field}_ci95"]
        best = evaluation.best_at(field)
        rows.append(
            entry
            | {"score": evaluation.metrics["score"], "ours": row[field], "ci95": interval}
            | {"verdict": entry.get("verdict") or verdict(entry["value"], interval, evaluation.higher)}
            | {"best_here": best, "best_score": evaluation.methods[best][field]}
        )
    return rows


def verdict(value: float, interval: list[float], higher: bool) -> str:
    """Say whether ours is better, worse, or as good within its interval."""
    low, high = interval
    if low <= value <= high:
        return "within our interval"
    worse = high < value if higher else low > value
    middle = high if worse == higher else low
    factor = max(middle / value, value / middle) if min(middle, value) > 0 else float("inf")
    if factor < SAME:
        return f"as good, to {SAME - 1:.0%}"
    return f"ours is {'worse' if worse else 'better'}, by a factor of {number(factor)} at least"
