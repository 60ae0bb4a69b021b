"""Claim 8: in an echo state network it is enough to train the readout."""

from unrolled.analysis.claim import Claim, Evidence, Judged, Numbers, against, balance, counted
from unrolled.analysis.comparison import Pair, Row


def echo_state_network(row: Row) -> bool:
    """Return whether a method is a reservoir of which only the readout is trained, by regression."""
    return bool(row["initialiser"] == "echo_state" and row["optimiser"] == "ridge")


class EchoState(Claim):
    """Holds if the echo state network is better over the studies and worse on none; see `claim.balance`."""

    number = 8
    statement = "In an echo state network with a large, carefully drawn reservoir, it is enough to train the readout."
    measured = (
        "On every study with both: the echo state network over the simple network all of whose weights are trained."
    )
    figure = "headline"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """Return the echo state network against the simple network."""
        return against(evidence, echo_state_network)

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the pairs and their mean, and beside them how either was tuned."""
        found = evidence.over(pairs := self.pairs(evidence))
        if found is None:
            return None
        rows = [evidence.studies[pair.study]["methods"] for pair in pairs]
        by_hand = {own[pair.one]["tuned_by_hand"] for own, pair in zip(rows, pairs, strict=True)} - {""}
        tried = [own[pair.other]["tried"] for own, pair in zip(rows, pairs, strict=True)]
        return found | {"tuning": {"by_hand": sorted(by_hand), "least": min(tried), "most": max(tried)}}

    def judge(self, numbers: Numbers) -> Judged:
        """Weigh better against worse."""
        tuning = numbers["tuning"]
        hand = "; ".join(tuning["by_hand"]) or "none recorded"
        tried = " to ".join(f"{each:g}" for each in dict.fromkeys((tuning["least"], tuning["most"])))
        return balance(numbers), (
            f"With one regression, it is {counted(numbers)}. Its reservoir is larger, and the effort of tuning is not "
            f"equal: its settings were tried by hand ({hand}), of the trained network {tried} rates on validation data."
        )
