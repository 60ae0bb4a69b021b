"""Claim 5: even from careful weights, what depends on far inputs is hard to find."""

from unrolled.analysis.claim import (
    FAILS,
    HOLDS,
    PARTLY,
    REMEMBERS,
    Claim,
    Evidence,
    Judged,
    Numbers,
    Row,
    explained,
    reach,
)


def careful(row: Row) -> bool:
    """Return whether a method is a trained simple network that starts from other weights than the default's."""
    return bool(row["cell"] == "elman" and row["initialiser"] != "uniform" and row["trains"])


class FarInputs(Claim):
    """Holds if no such network remembers at any length; in part if only at the shorter ones."""

    number = 5
    statement = (
        "Even with good first weights, a simple recurrent network hardly finds that its target depends on a far input."
    )
    measured = (
        "Recall of two marked values: the share of the targets' variance that the median seed explains, for the best "
        "of the simple networks with careful weights (orthogonal, identity, echo state), at each length it was tried."
    )
    figure = "reach"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the best explained share for each length."""
        found = {}
        for length, (rows, chance) in evidence.recalls().items():
            shares = [explained(row, chance) for row in rows.values() if careful(row)]
            if shares:
                found[length] = max(shares)
        return {"explained": found} if found else None

    def judge(self, numbers: Numbers) -> Judged:
        """Find the longest length at which one remembers."""
        shares = numbers["explained"]
        longest, far = reach(shares), max(int(length) for length in shares)
        verdict = HOLDS if longest == 0 else PARTLY if longest < far else FAILS
        listed = ", ".join(f"{share:.0%} at {length} steps" for length, share in shares.items())
        told = "No network remembers" if longest == 0 else f"The longest that one remembers is {longest} steps"
        return verdict, f"{told} ({REMEMBERS:.0%} needed). Explained by the best: {listed}."
