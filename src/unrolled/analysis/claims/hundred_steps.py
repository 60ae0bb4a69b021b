"""Claim 3: over a hundred steps gradients easily vanish or explode."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Claim, Evidence, Judged, Numbers, power

EASILY = 0.5
"""The share of gains from which "easily" is a fair word: more often than not."""


class HundredSteps(Claim):
    """Holds if more than half of the gains of every family vanish or explode, and PyTorch's default with them."""

    number = 3
    statement = "A hundred steps are enough for most gradients to vanish or to explode."
    measured = (
        "The share of all gains, evenly spaced on a logarithmic axis, at which a gradient has changed by more than a "
        "thousand over about 100 steps; and the same factor for PyTorch's default weights (initialiser uniform)."
    )
    figure = "gradient_map"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the shares of the families at the length nearest to 100, and the default weights' factor."""
        families = evidence.random_networks["gradient_map"]["families"]
        lengths = next(iter(families.values()))["vanished"]
        length = min(lengths, key=lambda each: abs(int(each) - 100))
        default = evidence.random_networks["gradient_map"]["initialisers"].get("uniform", {}).get(length)
        vanished = {name: family["vanished"][length] for name, family in families.items()}
        limit = evidence.random_networks["vanished"]
        return {"steps": int(length), "vanished": vanished, "limit": limit, "default_log10": default}

    def judge(self, numbers: Numbers) -> Judged:
        """Compare the shares with a half, and the default with the limit."""
        shares, default = numbers["vanished"], numbers["default_log10"]
        mostly = [share > EASILY for share in shares.values()]
        gone = default is None or abs(default) > numbers["limit"]
        some = any(mostly) or (gone and default is not None)
        listed = ", ".join(f"{share:.0%} ({name})" for name, share in shares.items())
        words = f"Vanished or exploded over {numbers['steps']} steps: {listed} of the gains."
        if default is not None:
            words += f" PyTorch's default weights leave a factor of {power(default)}."
        return HOLDS if all(mostly) and gone else PARTLY if some else FAILS, words
