"""The results as text for a terminal: what was run, and the scores of one study."""

from collections.abc import Sequence
from typing import Any

from unrolled.report.results import Evaluation, Results
from unrolled.report.words import number

MARK = "◆"
"""Beside the method that validation chooses."""


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines with aligned columns; the first is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def studies(results: Results) -> list[str]:
    """Return a line a study: how many methods, which one validation chooses, and its test score."""
    rows = [["study", "methods", "chosen by validation", "test score", "of"]]
    for study in results.studies:
        score = "" if study.best is None else number(study.methods[study.best]["score"])
        rows.append([study.name, str(len(study.methods)), study.best or "none", score, study.score])
    rows += [[name, "", "not run", "", reason] for name, reason in results.not_run.items()]
    return columns(rows)


def scores(study: Evaluation) -> list[str]:
    """Return a study's question and a line a method: its score with interval, the state of its training, its size."""
    rows = [["", "method", "score", "interval", "training", "weights", "label"]]
    rows += [_scored(study.methods[name], name) for name in study.ordered]
    head = [f"{study.label}: {study.metrics['question']}", f"{study.score}, {study.metrics['better']} is better"]
    foot = f"{MARK} chosen by validation; the order by test score is exploratory"
    return [*head, "", *columns(rows), "", foot]


def _scored(row: dict[str, Any], name: str) -> list[str]:
    low, high = row["interval"]["low"], row["interval"]["high"]
    interval = "" if low is None else f"{number(low)} to {number(high)}"
    score = "diverged" if row["score"] is None else number(row["score"])
    mark = MARK if row["chosen_by_validation"] else ""
    return [mark, name, score, interval, row["state"] or "none", f"{row['parameters']:,}", row["label"]]
