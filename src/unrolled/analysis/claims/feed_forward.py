"""Claim 1: networks without recurrence are the worse ones on sequences."""

from unrolled.analysis.claim import Claim, Evidence, Judged, Numbers, balance, counted
from unrolled.analysis.comparison import Pair, best_by_validation


class FeedForward(Claim):
    """Holds if the recurrent champion is better over the studies and worse on none; see `claim.balance`."""

    number = 1
    statement = (
        "Networks without feedback handle sequences worse than recurrent ones, since they keep nothing of earlier "
        "inputs."
    )
    measured = (
        "On every study, one champion of either group, the method with the lowest validation loss: of the recurrent "
        "networks over that of the methods that see a window of inputs (linear or feed-forward), by test score."
    )
    figure = "headline"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """Return the recurrent champion against the other on each study that has both."""
        found = []
        for name, _, rows in evidence.rows():
            trained = {method: row for method, row in rows.items() if row["trains"] and row["score"] is not None}
            one, other = (
                best_by_validation({method: row for method, row in trained.items() if row["recurrent"] == recurrent})
                for recurrent in (True, False)
            )
            if one is not None and other is not None:
                found.append(Pair(name, one, other))
        return found

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the pairs and their mean."""
        return evidence.over(self.pairs(evidence))

    def judge(self, numbers: Numbers) -> Judged:
        """Weigh better against worse."""
        return balance(numbers), f"The recurrent champion is {counted(numbers)}."
