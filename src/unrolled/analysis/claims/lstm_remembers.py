"""Claim 6: LSTM remembers for long times."""

from unrolled.analysis.claim import (
    FAILS,
    HOLDS,
    PARTLY,
    Claim,
    Evidence,
    Judged,
    Numbers,
    explained,
    first,
    reach,
    simple,
)


class LstmRemembers(Claim):
    """Holds if the plain LSTM remembers at all lengths; in part if an LSTM outlasts the simple network."""

    number = 6
    statement = "An LSTM, built of modules that hold on to what they are given, remembers over long times."
    measured = (
        "Recall of two marked values: the share of the targets' variance that the median seed explains, at each "
        "length, for the plain LSTM, for the best LSTM, and for the simple network."
    )
    figure = "reach"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the shares of the three, by length."""
        shares: dict[str, dict[str, float]] = {"plain": {}, "best": {}, "simple": {}}
        for length, (rows, chance) in evidence.recalls().items():
            gated = [explained(row, chance) for row in rows.values() if row["cell"] == "lstm"]
            if gated:
                shares["best"][length] = max(gated)
            plain = first(rows, lambda row: row["cell"] == "lstm" and row["initialiser"] == "uniform")
            other = first(rows, simple)
            if plain is not None and other is not None:
                shares["plain"][length], shares["simple"][length] = explained(plain, chance), explained(other, chance)
        return shares if shares["plain"] else None

    def judge(self, numbers: Numbers) -> Judged:
        """Compare the longest lengths at which the three remember."""
        plain, best, other = (reach(numbers[key]) for key in ("plain", "best", "simple"))
        far = max(int(length) for length in numbers["plain"])
        verdict = HOLDS if plain == far > other else PARTLY if best > other else FAILS
        return verdict, (
            f"The plain LSTM remembers up to {plain} steps and the simple network up to {other} ({far} tried); the "
            f"best variant of the LSTM up to {best} ({max(int(length) for length in numbers['best'])} tried)."
        )
