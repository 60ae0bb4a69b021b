"""Claim 15: forced onto the truth at intervals, a network holds a chaotic attractor."""

from unrolled.analysis.claim import FAILS, HOLDS, UNDECIDED, Claim, Evidence, Judged, Numbers, answers, counted, first
from unrolled.analysis.comparison import Pair, best_by_validation


class ForcedAtIntervals(Claim):
    """Holds if the interval that validation chooses is better than clipped back-propagation through the whole loop."""

    number = 15
    statement = (
        "Gradients of a chaotic system must explode in closed loop: a network that is forced onto the truth now and "
        "then in training holds the attractor, one whose gradients are clipped instead does not."
    )
    measured = (
        "The divergence of long free runs from the true attractor, of the network forced at the interval with the "
        "lowest validation loss, over that of the same network in closed loop throughout, with its gradient clipped."
    )
    figure = "forcing"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """Return the chosen interval against the clipped network, on every study that has both."""
        found = []
        for name, _, rows in evidence.rows():
            forced = {n: row for n, row in rows.items() if row.get("forcing")}
            clipped = first(forced, lambda row: row["clip"] is not None)
            own = {
                n: row for n, row in forced.items() if clipped and row["clip"] is None and row["forcing"]["interval"]
            }
            own = {n: row for n, row in own.items() if row["cell"] == rows[str(clipped)]["cell"]}
            if chosen := best_by_validation(own):
                found.append(Pair(name, chosen, str(clipped)))
        return found

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the comparison by study."""
        return evidence.over(self.pairs(evidence))

    def judge(self, numbers: Numbers) -> Judged:
        """Say whether it is better."""
        by = answers(numbers)
        words = f"Forced at the interval that validation chooses, against clipped: {counted(numbers)}."
        if by["better"] and not by["worse"]:
            return HOLDS, words
        return FAILS if (by["worse"] or by["equivalent"]) and not by["better"] else UNDECIDED, words
