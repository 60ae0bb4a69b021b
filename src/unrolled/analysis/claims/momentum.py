"""Claim 9: careful initialisation and momentum do well."""

from unrolled.analysis.claim import Claim, Evidence, Judged, Numbers, Row, against, balance, counted


def with_momentum(row: Row) -> bool:
    """Return whether a method is the simple network with echo-state initialisation and Nesterov momentum."""
    return bool(row["cell"] == "elman" and row["initialiser"] == "echo_state" and row["optimiser"] == "nesterov")


class Momentum(Claim):
    """Holds if it is nowhere worse and somewhere better, in part if more often better."""

    number = 9
    statement = (
        "Starting as an echo state network and then training all weights with momentum is an effective way to train."
    )
    measured = (
        "On every study with both: echo-state initialisation with Nesterov momentum over the same network with Adam."
    )
    figure = "headline"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the advantage on each study."""
        factors = against(evidence, with_momentum)
        return {"advantage": factors} if factors else None

    def judge(self, numbers: Numbers) -> Judged:
        """Weigh better against worse."""
        factors = numbers["advantage"]
        return balance(factors), f"At this budget it is {counted(factors)}, against uniform weights and Adam."
