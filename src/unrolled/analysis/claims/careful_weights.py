"""Claim 4: careful initialisation avoids vanishing and exploding gradients."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Claim, Evidence, Judged, Numbers, power

DEFAULT = "uniform"
"""The initialiser that is not careful."""


class CarefulWeights(Claim):
    """Holds if every careful initialiser keeps its gradient within the limit at every length.

    In part if one does more than the default initialiser: its gradient is within the limit at a length at
    which that one's has vanished or exploded.
    """

    number = 4
    statement = "Vanishing and exploding gradients are avoided by starting from very carefully chosen weights."
    measured = (
        "The factor by which a gradient changes over each length, in networks with the initial weights of the careful "
        "initialisers (orthogonal, identity with ReLU, echo state), under standard normal inputs: the mean of its "
        "logarithm over networks."
    )
    figure = "gradient_map"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return log10 of the factors of each initialiser at each length."""
        found = evidence.random_networks["gradient_map"]["initialisers"]
        careful = {name: lengths for name, lengths in found.items() if name != DEFAULT}
        if not careful or DEFAULT not in found:
            return None
        return {"limit": evidence.random_networks["vanished"], "careful": careful, "default": found[DEFAULT]}

    def judge(self, numbers: Numbers) -> Judged:
        """Compare each factor with the limit."""
        limit, careful, default = numbers["limit"], numbers["careful"], numbers["default"]
        kept = {name: [int(k) for k, log in row.items() if abs(log["mean"]) <= limit] for name, row in careful.items()}
        beyond = [int(k) for k, log in default.items() if abs(log["mean"]) > limit]
        helped = [name for name, lengths in kept.items() if set(lengths) & set(beyond)]
        every = all(len(kept[name]) == len(row) for name, row in careful.items())
        longest = ", ".join(f"{name} {max(lengths, default=0)} steps" for name, lengths in kept.items())
        last = list(default)[-1]
        end = ", ".join(f"{name} {power(row[last]['mean'])}" for name, row in careful.items())
        return HOLDS if every else PARTLY if helped else FAILS, (
            f"Within a factor of 10^{limit:g} up to: {longest}; {DEFAULT} {min(beyond, default=0)} steps are too many "
            f"already. Over the longest, {last} steps: {end}."
        )
