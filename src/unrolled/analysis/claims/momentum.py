"""Claim 9: careful initialisation and momentum do well."""

from unrolled.analysis.claim import Claim, Evidence, Judged, Numbers, against, balance, counted
from unrolled.analysis.comparison import Pair, Row

UPDATES = 3000
"""Below so many updates it is not tested: momentum rises to its final value after the first thousand."""


def with_momentum(row: Row) -> bool:
    """Return whether a method is the simple network with echo-state initialisation and Nesterov momentum."""
    return bool(row["cell"] == "elman" and row["initialiser"] == "echo_state" and row["optimiser"] == "nesterov")


class Momentum(Claim):
    """Holds if it is better over the studies and worse on none; see `claim.balance`."""

    number = 9
    statement = (
        "Starting as an echo state network and then training all weights with momentum is an effective way to train."
    )
    measured = (
        f"On every study with both and at least {UPDATES} updates: echo-state initialisation with Nesterov momentum "
        "over the same network with Adam."
    )
    figure = "headline"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """Return the network with momentum against the simple network, where both are trained for long enough."""
        pairs = against(evidence, with_momentum)
        return [
            pair
            for pair in pairs
            if min(evidence.studies[pair.study]["methods"][m]["updates"] for m in pair[1:]) >= UPDATES
        ]

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the pairs and their mean."""
        return evidence.over(self.pairs(evidence))

    def judge(self, numbers: Numbers) -> Judged:
        """Weigh better against worse."""
        return balance(numbers), f"It is {counted(numbers)}, against uniform weights and Adam."
