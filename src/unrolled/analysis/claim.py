"""The contract of a claim, and what several claims share.

A claim item has `NUMBER`, `CLAIM` (what the lecture says, in our own words), `MEASURE` (what is
measured), `FIGURE` (the id of its figure in the report), and three functions: `measure(evidence)`
returns numbers, or None where the studies it needs were not run; `judge(numbers)` returns a verdict
and the words for it, from the numbers alone; `reverse(numbers)` returns the numbers as they would be
had the measurement come out the other way, which must change the verdict.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Numbers = dict[str, Any]
Judged = tuple[str, str]
HOLDS, PARTLY, FAILS, UNTESTED = "holds", "holds in part", "does not hold here", "not tested here"
VERDICTS = (HOLDS, PARTLY, FAILS, UNTESTED)
GUESS = 1 / 6
"""The mean square error of always answering a recall with the mean."""
REMEMBERS = 0.9
"""The share of the answers' variance that a network must explain to count as remembering: one that knows one of the
two values and guesses the other explains half, so nine tenths needs both."""


@dataclass(frozen=True)
class Evidence:
    """All that a claim may look at: the studies' numbers (as in metrics.json) and those of the stage `theory`."""

    studies: dict[str, dict[str, Any]]
    theory: dict[str, Any]

    def rows(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Yield the name, the numbers and the methods of each study."""
        for name, study in self.studies.items():
            yield name, study, study.get("methods", {})

    def recalls(self) -> dict[str, dict[str, Any]]:
        """Return the methods of each recall, by its length in steps, shortest first."""
        found = {}
        for _, study, rows in self.rows():
            if study.get("task") == "recall" and rows:
                found[max(row["steps"] for row in rows.values())] = rows
        return {str(length): found[length] for length in sorted(found)}


def advantage(one: dict[str, Any], other: dict[str, Any], higher: bool) -> float | None:
    """Return by which factor `one` is better than `other` at least: over 1 better, under 1 worse, 1 undecided.

    The factor between the nearer ends of the two 95 % intervals; 1 where the intervals overlap, and
    None where a median is missing because the seeds diverged.
    """
    if one.get("median") is None or other.get("median") is None:
        return None
    (low, high), (their_low, their_high) = one["ci95"], other["ci95"]
    if high < their_low:
        factor = their_low / max(high, 1e-300)
    elif their_high < low:
        factor = max(their_high, 1e-300) / low
    else:
        return 1.0
    return float(f"{1 / factor if higher else factor:.6g}")


def against(evidence: Evidence, method: str, reference: str = "rnn") -> dict[str, float]:
    """Return the advantage of a method over another on every study that has both."""
    found = {}
    for name, study, rows in evidence.rows():
        if method in rows and reference in rows:
            factor = advantage(rows[method], rows[reference], study["better"] == "higher")
            if factor is not None:
                found[name] = factor
    return found


def balance(factors: dict[str, float]) -> str:
    """Return the verdict on "is better": never worse and at least once better; more often better; or not.

    Where it is better as often as worse, the product of the factors decides.
    """
    better, worse = split(factors)
    if better and not worse:
        return HOLDS
    tie = len(better) == len(worse) and sum(math.log(each) for each in factors.values()) > 0
    return PARTLY if len(better) > len(worse) or tie else FAILS


def split(factors: dict[str, float]) -> tuple[list[str], list[str]]:
    """Return on which studies it is better and on which worse."""
    return [n for n, each in factors.items() if each > 1], [n for n, each in factors.items() if each < 1]


def turned(factors: dict[str, float]) -> dict[str, float]:
    """Return every gain as a loss; and where nothing is decided, a gain everywhere: a difference in place of none."""
    if all(each == 1 for each in factors.values()):
        return dict.fromkeys(factors, 2.0)
    return {name: 1 / each for name, each in factors.items()}


def counted(factors: dict[str, float]) -> str:
    """Say where it is better, worse and undecided."""
    better, worse = split(factors)
    parts = [f"{word} on {', '.join(names)}" for word, names in (("better", better), ("worse", worse)) if names]
    rest = len(factors) - len(better) - len(worse)
    return "; ".join([*parts, *([f"undecided (intervals overlap) on {rest} of {len(factors)}"] if rest else [])])


def explained(row: dict[str, Any]) -> float:
    """Return the share of a recall's variance that the median seed explains; 0 for a guess or a divergence."""
    if row.get("median") is None:
        return 0.0
    return float(f"{max(0.0, 1 - row['median'] / GUESS):.6g}")


def reach(shares: dict[str, float]) -> int:
    """Return the longest length at which a network remembers, 0 for none."""
    return max((int(length) for length, share in shares.items() if share >= REMEMBERS), default=0)


def factor(log10: float) -> str:
    """Say 10^x."""
    return f"{10**log10:.2g}" if abs(log10) < 2 else f"10^{log10:.0f}"


def assess(item: Any, evidence: Evidence) -> dict[str, Any]:
    """Return what claims.json says of a claim."""
    numbers = item.measure(evidence)
    verdict, words = (UNTESTED, "The studies that it needs were not run.") if numbers is None else item.judge(numbers)
    return {
        "number": item.NUMBER,
        "claim": item.CLAIM,
        "measure": item.MEASURE,
        "figure": item.FIGURE,
        "verdict": verdict,
        "words": words,
        "numbers": numbers,
    }
