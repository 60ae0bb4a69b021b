"""Claim 5: even from careful weights, what depends on far inputs is hard to find."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, UNDECIDED, Claim, Evidence, Judged, Numbers
from unrolled.analysis.comparison import Row, solved
from unrolled.analysis.statistics import solves


def careful(row: Row) -> bool:
    """Return whether a method is a trained simple network that starts from other weights than the default's."""
    return bool(row["cell"] == "elman" and row["initialiser"] != "uniform" and row["trains"])


class FarInputs(Claim):
    """Holds if no such network solves the recall at any length; in part if only at the shorter ones."""

    number = 5
    statement = (
        "Even with good first weights, a simple recurrent network hardly finds that its target depends on a far input."
    )
    measured = (
        "Recall of two marked values, at each length it was tried: how many seeds of each simple network with careful "
        "weights (orthogonal, identity, echo state) solve it, and whether that tells that it does, or does not (with "
        "probability 0.9)."
    )
    figure = "reach"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return how many seeds solve, by length and method."""
        found = {
            length: {name: solved(row) for name, row in rows.items() if careful(row)}
            for length, rows in evidence.recalls().items()
        }
        found = {length: counts for length, counts in found.items() if counts}
        return {"seeds": found} if found else None

    def judge(self, numbers: Numbers) -> Judged:
        """Find the longest length that one solves, and whether any is open."""
        seeds = numbers["seeds"]
        told = {length: [solves(**each) for each in counts.values()] for length, counts in seeds.items()}
        solving = [int(length) for length, each in told.items() if True in each]
        open_ = [length for length, each in told.items() if True not in each and None in each]
        far = max(map(int, seeds))
        listed = "; ".join(
            f"{length} steps: " + ", ".join(f"{name} {c['solved']} of {c['of']}" for name, c in counts.items())
            for length, counts in seeds.items()
        )
        words = f"Seeds that solve it, {listed}."
        if far in solving:
            return FAILS, words
        if open_:
            return UNDECIDED, f"{words} At {', '.join(open_)} steps this tells neither."
        return PARTLY if solving else HOLDS, words
