"""The results as text for a terminal: what was run, the scores of one study, and two runs side by side."""

from collections.abc import Sequence
from typing import Any

from unrolled.analysis.replication import Replication, counts
from unrolled.report.results import Evaluation, Results
from unrolled.report.words import number

MARK = "◆"
"""Beside the method that validation chooses."""


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the same, the first row as a heading with a rule below."""
    head, *others = rows
    rule = ["-" * max(map(len, column)) for column in zip(*rows, strict=True)]
    return aligned([head, rule, *others])


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


def replicated(found: Replication) -> list[str]:
    """Return two runs side by side: what differs in a table, the numbers of what agrees, what is missing."""
    table = [["", "", "first", "second", "ratio", ""]]
    for each in found.differing:
        ratio = "" if each.ratio is None else f"{each.ratio:.3g}"
        contradiction = "contradiction" if each.contradicts else ""
        table.append([each.kind, each.what, each.first, each.second, ratio, contradiction])
    text = aligned(table) if found.differing else ["Nothing differs."]
    return [*text, *counts(found), *(f"missing: {each}" for each in found.missing)]
