"""The contract of a claim, and what several claims share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from unrolled import registry
from unrolled.analysis.random_networks.experiments import Numbers as RandomNetworkNumbers

Numbers = dict[str, Any]
Row = dict[str, Any]
"""The numbers of one method on one study, as in metrics.json."""
Judged = tuple[str, str]
"""A verdict, and the words for it."""
HOLDS, PARTLY, FAILS, UNTESTED = "holds", "holds in part", "does not hold here", "not tested here"
VERDICTS = (HOLDS, PARTLY, FAILS, UNTESTED)
REMEMBERS = 0.9
"""The share of the targets' variance that a network must explain to count as remembering: one that knows one of the
two values and guesses the other explains half, so nine tenths needs both."""


@dataclass(frozen=True)
class Evidence:
    """All that a claim may look at: the studies' numbers, as in metrics.json, and those of random networks."""

    studies: dict[str, dict[str, Any]]
    random_networks: RandomNetworkNumbers

    def rows(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Row]]]:
        """Yield the name, the numbers and the methods of each study that was run."""
        for name, study in self.studies.items():
            if "methods" in study:
                yield name, study, study["methods"]

    def recalls(self) -> dict[str, tuple[dict[str, Row], float]]:
        """Return the methods of each recall study and the error at chance, by length in steps, shortest first."""
        recalls = [(study["recall"], rows) for _, study, rows in self.rows() if rows and "recall" in study]
        return {str(r["steps"]): (rows, r["chance"]) for r, rows in sorted(recalls, key=lambda each: each[0]["steps"])}


class Claim(registry.Item, ABC):
    """One sentence of the lecture that the numbers can bear out or contradict.

    Attributes
    ----------
    number : int
        Its place in the lecture.
    statement : str
        What the lecture says, in our own words.
    measured : str
        What is measured, and how.
    figure : str
        The name of the figure that shows it, an item of `report/figures`.
    """

    number: ClassVar[int]
    statement: ClassVar[str]
    measured: ClassVar[str]
    figure: ClassVar[str]

    @abstractmethod
    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the numbers that decide, or None where the studies they need were not run."""

    @abstractmethod
    def judge(self, numbers: Numbers) -> Judged:
        """Return the verdict and the words for it, from the numbers alone."""

    def assess(self, evidence: Evidence) -> dict[str, Any]:
        """Return what claims.json says of the claim."""
        numbers = self.measure(evidence)
        untested = UNTESTED, "The studies that it needs were not run."
        verdict, words = untested if numbers is None else self.judge(numbers)
        return {
            "number": self.number,
            "claim": self.statement,
            "measure": self.measured,
            "figure": self.figure,
            "verdict": verdict,
            "words": words,
            "numbers": numbers,
        }


def assess_all(evidence: Evidence) -> list[dict[str, Any]]:
    """Return what claims.json says, by number."""
    claims: list[Claim] = [registry.load("claims", name)() for name in registry.names("claims")]
    return [claim.assess(evidence) for claim in sorted(claims, key=lambda claim: claim.number)]


def simple(row: Row) -> bool:
    """Return whether a method is the simple recurrent network, trained by default: what others are compared with."""
    default = row["initialiser"] == "uniform" and row["optimiser"] == "adam" and row["clip"] is None
    return bool(row["cell"] == "elman" and default)


def first(rows: dict[str, Row], described: Callable[[Row], bool]) -> Row | None:
    """Return the first method that fits a description; the table lists a method before its variants."""
    return next((row for row in rows.values() if described(row)), None)


def advantage(one: Row, other: Row, higher: bool) -> float | None:
    """Return by which factor `one` is better than `other`: over 1 better, under 1 worse, 1 undecided.

    The factor between the nearer ends of the two intervals; 1 where they overlap, and None where a
    median is missing because all seeds diverged.
    """
    if one["median"] is None or other["median"] is None:
        return None
    low, high = one["interval"]["low"], one["interval"]["high"]
    their_low, their_high = other["interval"]["low"], other["interval"]["high"]
    if high < their_low:
        factor = their_low / max(high, 1e-300)
    elif their_high < low:
        factor = max(their_high, 1e-300) / low
    else:
        return 1.0
    return float(f"{1 / factor if higher else factor:.6g}")


def against(
    evidence: Evidence, described: Callable[[Row], bool], reference: Callable[[Row], bool] = simple
) -> dict[str, float]:
    """Return the advantage of one method over another, each given by a description, on every study that has both."""
    found = {}
    for name, study, rows in evidence.rows():
        one, other = first(rows, described), first(rows, reference)
        if one is not None and other is not None:
            factor = advantage(one, other, study["better"] == "higher")
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
    tie = len(better) == len(worse) and math.prod(factors.values()) > 1
    return PARTLY if len(better) > len(worse) or tie else FAILS


def split(factors: dict[str, float]) -> tuple[list[str], list[str]]:
    """Return on which studies it is better and on which worse."""
    return [n for n, each in factors.items() if each > 1], [n for n, each in factors.items() if each < 1]


def counted(factors: dict[str, float]) -> str:
    """Say where it is better, worse and undecided."""
    better, worse = split(factors)
    parts = [f"{word} on {', '.join(names)}" for word, names in (("better", better), ("worse", worse)) if names]
    rest = len(factors) - len(better) - len(worse)
    return "; ".join([*parts, *([f"undecided (intervals overlap) on {rest} of {len(factors)}"] if rest else [])])


def explained(row: Row, chance: float) -> float:
    """Return the share of the targets' variance that the median seed explains; 0 at chance or after a divergence."""
    if row["median"] is None:
        return 0.0
    return float(f"{max(0.0, 1 - row['median'] / chance):.6g}")


def reach(shares: dict[str, float]) -> int:
    """Return the longest length at which a network remembers, 0 for none."""
    return max((int(length) for length, share in shares.items() if share >= REMEMBERS), default=0)


def power(log10: float) -> str:
    """Say 10^x."""
    return f"{10**log10:.2g}" if abs(log10) < 2 else f"10^{log10:.0f}"
