"""Claim 1: networks without recurrence are the worse ones on sequences."""

from unrolled.analysis.claim import FAILS, HOLDS, Claim, Evidence, Judged, Numbers, advantage, balance, counted


class FeedForward(Claim):
    """Holds if the best recurrent network is nowhere worse and somewhere better, in part if more often better."""

    number = 1
    statement = (
        "Networks without feedback handle sequences worse than recurrent ones, since they keep nothing of earlier "
        "inputs."
    )
    measured = (
        "On every study, the best recurrent network over the best method that sees a window of inputs (linear or "
        "feed-forward), each chosen by its test score: the factor between their ranges over the seeds."
    )
    figure = "headline"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the factor for each study that has both."""
        factors = {}
        for name, study, rows in evidence.rows():
            higher = study["better"] == "higher"
            trained = [row for row in rows.values() if row["trains"] and row["median"] is not None]
            trained.sort(key=lambda row: row["median"], reverse=higher)
            recurrent = [row for row in trained if row["recurrent"]]
            plain = [row for row in trained if not row["recurrent"]]
            if recurrent and plain:
                factors[name] = advantage(recurrent[0], plain[0], higher)
        return {"advantage": factors} if factors else None

    def judge(self, numbers: Numbers) -> Judged:
        """Weigh better against worse."""
        factors = numbers["advantage"]
        verdict = balance(factors)
        told = {HOLDS: "The best recurrent network is nowhere worse", FAILS: "It is not better more often than worse"}
        begin = told.get(verdict, "More often than not, but not everywhere")
        return verdict, f"{begin}. The recurrent network is {counted(factors)}."
