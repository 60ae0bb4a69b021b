"""Claim 7: Hessian-free optimisation copes with tiny gradients along which curvature is smaller still."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Claim, Evidence, Judged, Numbers, against, balance, counted


class HessianFree(Claim):
    """Holds if curvature falls more than slope along its steps and networks train better; in part if one of the two."""

    number = 7
    statement = (
        "Hessian-free optimisation deals with vanishing gradients: it finds directions in which the gradient is tiny "
        "but the curvature smaller still."
    )
    measured = (
        "On a small oscillator: slope and Gauss-Newton curvature of the loss along Hessian-free's steps, over those "
        "along the gradient. And on every study with both: the same network trained by Hessian-free over trained by "
        "Adam."
    )
    figure = "newton"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the two ratios, and the advantage on each study."""
        factors = against(evidence, lambda row: row["cell"] == "elman" and row["optimiser"] == "hessian_free")
        return {**evidence.random_networks["newton"], "advantage": factors}

    def judge(self, numbers: Numbers) -> Judged:
        """Compare the two ratios, and weigh better against worse."""
        slope, curvature, factors = numbers["slope"], numbers["curvature"], numbers["advantage"]
        finds = 0 < slope < 1 and curvature < slope
        gains = balance(factors) in (HOLDS, PARTLY)
        words = (
            f"Along its steps the slope is {slope:.2g} of the steepest and the curvature {curvature:.2g} of that along "
            "the gradient."
        )
        if factors:
            words += f" The network trained so is {counted(factors)}."
        return HOLDS if finds and gains else PARTLY if finds or gains else FAILS, words
