"""Claim 1: networks without recurrence are the worse ones on sequences."""

from unrolled.analysis.claim import FAILS, HOLDS, Evidence, Judged, Numbers, advantage, balance, counted, turned

NUMBER = 1
CLAIM = (
    "Networks without feedback handle sequences worse than recurrent ones, since they keep nothing of earlier inputs."
)
MEASURE = (
    "On every study, the best recurrent network over the best method that sees a window of inputs (linear or "
    "feed-forward), each chosen by its test score: the factor between their 95 % intervals."
)
FIGURE = "overview-headline"


def measure(evidence: Evidence) -> Numbers | None:
    """Return the factor for each study that has both."""
    factors = {}
    for name, study, rows in evidence.rows():
        higher = study["better"] == "higher"
        learned = [row for row in rows.values() if row["learns"] and row["median"] is not None]
        learned.sort(key=lambda row: row["median"], reverse=higher)
        recurrent = [row for row in learned if row["recurrent"]]
        plain = [row for row in learned if not row["recurrent"]]
        if recurrent and plain:
            factors[name] = advantage(recurrent[0], plain[0], higher)
    return {"advantage": factors} if factors else None


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if the recurrent network is never the worse one, in part if more often the better one."""
    factors = numbers["advantage"]
    verdict = balance(factors)
    told = {HOLDS: "The best recurrent network is nowhere worse", FAILS: "It is not better more often than worse"}
    begin = told.get(verdict, "More often than not, but not everywhere")
    return verdict, f"{begin}. The recurrent network is {counted(factors)}."


def reverse(numbers: Numbers) -> Numbers:
    """Return every gain as a loss."""
    return {"advantage": turned(numbers["advantage"])}
