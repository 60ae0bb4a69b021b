"""Claim 8: in an echo state network it is enough to train the readout."""

from unrolled.analysis.claim import Claim, Evidence, Judged, Numbers, Row, against, balance, counted


def echo_state_network(row: Row) -> bool:
    """Return whether a method is a reservoir of which only the readout is trained, by regression."""
    return bool(row["initialiser"] == "echo_state" and row["optimiser"] == "ridge")


class EchoState(Claim):
    """Holds if the echo state network is nowhere worse and somewhere better, in part if more often better."""

    number = 8
    statement = "In an echo state network with a large, carefully drawn reservoir, it is enough to train the readout."
    measured = (
        "On every study with both: the echo state network over the simple network all of whose weights are trained."
    )
    figure = "headline"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the advantage on each study."""
        factors = against(evidence, echo_state_network)
        return {"advantage": factors} if factors else None

    def judge(self, numbers: Numbers) -> Judged:
        """Weigh better against worse."""
        factors = numbers["advantage"]
        return balance(factors), (
            f"With one regression, it is {counted(factors)}. Its reservoir is larger, and its settings were chosen on "
            "validation data: carefully drawn is part of the claim."
        )
