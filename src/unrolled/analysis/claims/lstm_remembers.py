"""Claim 6: LSTM remembers for long times."""

from unrolled.analysis.claim import (
    FAILS,
    HOLDS,
    PARTLY,
    UNDECIDED,
    Claim,
    Evidence,
    Judged,
    Numbers,
    first,
    simple,
)
from unrolled.analysis.comparison import Row, solved
from unrolled.analysis.statistics import solves

Counts = dict[str, dict[str, int]]


def plain_lstm(row: Row) -> bool:
    """Return whether a method is the LSTM with default weights."""
    return bool(row["cell"] == "lstm" and row["initialiser"] == "uniform")


def reach(counts: Counts) -> int:
    """Return the longest length that is solved, 0 for none."""
    return max((int(length) for length, each in counts.items() if solves(**each)), default=0)


def told(counts: Counts, beyond: int) -> bool:
    """Return whether at every length above `beyond` the seeds tell that it is solved, or that it is not."""
    return all(solves(**each) is not None for length, each in counts.items() if int(length) > beyond)


class LstmRemembers(Claim):
    """Holds if the plain LSTM solves the recall at all lengths, and the simple network not at the longest.

    In part if some LSTM solves a longer one than the simple network. Undecided where the seeds leave it open.
    """

    number = 6
    statement = "An LSTM, built of modules that hold on to what they are given, remembers over long times."
    measured = (
        "Recall of two marked values, at each length: how many seeds of the plain LSTM, of each variant of it, and of "
        "the simple network solve it, and whether that tells that it does, or does not (with probability 0.9)."
    )
    figure = "reach"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return how many seeds solve, by length, for each LSTM and for the simple network."""
        found: dict[str, Counts] = {"plain": {}, "simple": {}}
        variants: dict[str, Counts] = {}
        for length, rows in evidence.recalls().items():
            plain, other = first(rows, plain_lstm), first(rows, simple)
            if plain is not None and other is not None:
                found["plain"][length], found["simple"][length] = solved(rows[plain]), solved(rows[other])
            for name, row in rows.items():
                if row["cell"] == "lstm" and name != plain:
                    variants.setdefault(name, {})[length] = solved(row)
        return {**found, "variants": variants} if found["plain"] else None

    def judge(self, numbers: Numbers) -> Judged:
        """Compare the longest lengths that are solved."""
        plain, other = reach(numbers["plain"]), reach(numbers["simple"])
        longest = {name: reach(counts) for name, counts in numbers["variants"].items()}
        far = max(map(int, numbers["plain"]))
        words = f"The plain LSTM solves up to {plain} steps and the simple network up to {other} ({far} tried)."
        if longest:
            words += f" Its variants: {', '.join(f'{name} up to {each}' for name, each in longest.items())}."
        if not told(numbers["simple"], other):
            return UNDECIDED, f"{words} The seeds of the simple network tell no more."
        if plain == far > other and all(solves(**each) for each in numbers["plain"].values()):
            return HOLDS, words
        if max([plain, *longest.values()]) > other:
            return PARTLY, words
        lstms = [numbers["plain"], *numbers["variants"].values()]
        return FAILS if all(told(counts, other) for counts in lstms) else UNDECIDED, words
