"""The contract of a claim, and what several claims share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np

from unrolled import registry
from unrolled.analysis import stability
from unrolled.analysis.comparison import Comparison, Pair, Row, answer, family, over_studies
from unrolled.analysis.random_networks.experiments import Numbers as RandomNetworkNumbers
from unrolled.analysis.statistics import ANSWERS, Answer
from unrolled.errors import Fault, attempt

Numbers = dict[str, Any]
Judged = tuple[str, str]
"""A verdict, and the words for it."""
HOLDS, PARTLY, FAILS = "holds", "holds in part", "does not hold here"
UNDECIDED, UNTESTED = "undecided", "not tested here"
SHOWN, NOT_SHOWN = "shown", "not shown"
"""Of a demonstration, which could not come out otherwise if the equations are right."""
UNJUDGED = "It could not be judged"
VERDICTS = (HOLDS, PARTLY, FAILS, UNDECIDED, UNTESTED, SHOWN, NOT_SHOWN)
DECIDED = (HOLDS, PARTLY, FAILS)


@dataclass(frozen=True)
class Evidence:
    """All that a claim may look at: the studies' numbers, as in metrics.json, and those of random networks.

    `compared` holds the planned pairs of all claims, decided together.
    """

    studies: dict[str, dict[str, Any]]
    random_networks: RandomNetworkNumbers
    compared: dict[Pair, Comparison] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Row]]]:
        """Yield the name, the numbers and the evaluated methods of each study that was run."""
        for name, study in self.studies.items():
            if "methods" in study:
                yield name, study, {method: row for method, row in study["methods"].items() if "fault" not in row}

    def recalls(self) -> dict[str, dict[str, Row]]:
        """Return the methods of each recall study, by length in steps, shortest first."""
        recalls = [(study["recall"]["steps"], rows) for _, study, rows in self.rows() if rows and "recall" in study]
        return {str(steps): rows for steps, rows in sorted(recalls, key=lambda each: each[0])}

    def over(self, pairs: list[Pair]) -> Numbers | None:
        """Return the decided pairs by study, and the mean over the studies; None of no pairs."""
        if not pairs:
            return None
        found = {pair.study: self.compared[pair] for pair in pairs}
        return {"pairs": found, "over_studies": over_studies(found)}


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
    kind : str
        `demonstration` where the equations leave no other outcome, or the settings were chosen to show it.
    """

    number: ClassVar[int]
    statement: ClassVar[str]
    measured: ClassVar[str]
    figure: ClassVar[str]
    kind: ClassVar[Literal["measured", "demonstration"]] = "measured"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """Return the pairs of methods that the claim compares, at most one a study."""
        return []

    @abstractmethod
    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the numbers that decide, or None where the studies they need were not run."""

    @abstractmethod
    def judge(self, numbers: Numbers) -> Judged:
        """Return the verdict and the words for it, from the numbers alone."""

    def stability(self, numbers: Numbers, verdict: str) -> float:
        """Return the share of draws of other seeds whose points give the same verdict; see `stability.drawn`."""
        random = np.random.default_rng(stability.SEED)
        same = [self.judge(stability.drawn(numbers, random))[0] == verdict for _ in range(stability.DRAWS)]
        return float(np.mean(same))

    def assess(self, evidence: Evidence) -> dict[str, Any]:
        """Return what claims.json says of the claim; a verdict that is not stable is undecided."""
        found = attempt(partial(self._assess, evidence))
        if isinstance(found, Fault):
            found = {"verdict": UNTESTED, "stability": None, "words": f"{UNJUDGED}: {found}", "numbers": None}
        about = {"number": self.number, "claim": self.statement, "kind": self.kind, "measure": self.measured}
        return about | {"figure": self.figure} | found

    def _assess(self, evidence: Evidence) -> dict[str, Any]:
        numbers, share = self.measure(evidence), None
        untested = UNTESTED, "The studies that it needs were not run."
        verdict, words = untested if numbers is None else self.judge(numbers)
        if numbers is not None and verdict in DECIDED:
            share = self.stability(numbers, verdict)
            if share < stability.STABLE:
                words += f" By points it “{verdict}”, but only in {share:.1%} of draws of other seeds."
                verdict = UNDECIDED
        return {"verdict": verdict, "stability": share, "words": words, "numbers": numbers}


def every_claim() -> list[Claim]:
    """Return all claims, by number."""
    return sorted((registry.load("claims", name)() for name in registry.names("claims")), key=lambda each: each.number)


def plan(evidence: Evidence) -> Evidence:
    """Return the evidence with the planned pairs of all claims compared.

    They are one family: at most one page in twenty says a false better, worse or equivalent of a pair, and a pair that
    two claims name has one answer. The mean over studies of a claim is one more test, at the same level.
    """
    found = [attempt(partial(claim.pairs, evidence)) for claim in every_claim()]
    pairs = [pair for own in found if not isinstance(own, Fault) for pair in own]
    return replace(evidence, compared=family(evidence.studies, pairs))


def assess_all(evidence: Evidence) -> list[dict[str, Any]]:
    """Return what claims.json says, by number, of evidence with its pairs compared."""
    return [claim.assess(evidence) for claim in every_claim()]


def network(cell: str, initialiser: str = "uniform", clipped: bool = False) -> Callable[[Row], bool]:
    """Return the description of a network trained by Adam; of several in a study the table's first is meant."""

    def fits(row: Row) -> bool:
        same = row["cell"] == cell and row["initialiser"] == initialiser and row["optimiser"] == "adam"
        return bool(same and (row["clip"] is not None) == clipped and not row.get("forcing"))

    return fits


simple = network("elman")
"""The simple recurrent network, trained by default: what others are compared with."""


def first(rows: dict[str, Row], described: Callable[[Row], bool]) -> str | None:
    """Return the first method that fits a description; the table lists a method before its variants."""
    return next((name for name, row in rows.items() if described(row)), None)


def against(
    evidence: Evidence, described: Callable[[Row], bool], reference: Callable[[Row], bool] = simple
) -> list[Pair]:
    """Return one method against another, each given by a description, on every study that has both."""
    found = []
    for name, _, rows in evidence.rows():
        one, other = first(rows, described), first(rows, reference)
        if one is not None and other is not None:
            found.append(Pair(name, one, other))
    return found


def answers(numbers: Numbers) -> dict[Answer, list[str]]:
    """Return the studies with each answer."""
    found: dict[Answer, list[str]] = {each: [] for each in ANSWERS}
    for study, pair in numbers["pairs"].items():
        found[answer(pair)].append(study)
    return found


def balance(numbers: Numbers) -> str:
    """Return the verdict on "is better" over several studies.

    It holds where the random-effects mean lies beyond the region of practical equivalence and no study is worse; in
    part where some are better and some worse; it does not where the mean is worse or equivalent and no study is better.
    Else it is undecided.
    """
    by = answers(numbers)
    mean = answer(numbers["over_studies"]) if numbers["over_studies"] else "undecided"
    if by["better"] and by["worse"]:
        return PARTLY
    if mean == "better" and not by["worse"]:
        return HOLDS
    return FAILS if mean in ("worse", "equivalent") and not by["better"] else UNDECIDED


def counted(numbers: Numbers) -> str:
    """Say where it is better, worse, equivalent and undecided, and the mean ratio."""
    by, mean = answers(numbers), numbers["over_studies"]
    parts = [f"{word} on {', '.join(names)}" for word, names in by.items() if names]
    if mean is not None and len(mean["weights"]) > 1:
        parts.append(f"over {len(mean['weights'])} studies the mean ratio is {mean['ratio']:.3g}, {answer(mean)}")
    return "; ".join(parts)


def power(log10: float) -> str:
    """Say 10^x."""
    return f"{10**log10:.2g}" if abs(log10) < 4 else f"10^{log10:.0f}"
