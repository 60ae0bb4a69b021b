"""Claim 7: Hessian-free optimisation copes with tiny gradients along which curvature is smaller still."""

from unrolled.analysis.claim import (
    FAILS,
    HOLDS,
    PARTLY,
    UNDECIDED,
    Claim,
    Evidence,
    Judged,
    Numbers,
    against,
    balance,
    counted,
    power,
)
from unrolled.analysis.comparison import Comparison, Pair, answer, over_studies, passes

EQUAL = 1.25
"""The factor between two numbers of passes up to which they count as equal."""


def fair(pair: Comparison, ratio: float) -> bool:
    """Return whether a comparison counts at `ratio` times the passes of the other: what had more of them may lose."""
    found = answer(pair)
    return 1 / EQUAL <= ratio <= EQUAL or (found == "worse" and ratio > 1) or (found == "better" and ratio < 1)


class HessianFree(Claim):
    """Holds if curvature falls more than slope along its steps and networks train better at equal passes.

    In part if one of the two; where training is undecided, so is the claim, unless the directions are found.
    """

    number = 7
    statement = (
        "Hessian-free optimisation deals with vanishing gradients: it finds directions in which the gradient is tiny "
        "but the curvature smaller still."
    )
    measured = (
        "On a small oscillator: slope and Gauss-Newton curvature of the loss along Hessian-free's steps, over those "
        "along the gradient. And on every study with both: the same network trained by Hessian-free over trained by "
        f"Adam, at equal passes through the data (within a factor {EQUAL:g}); what had more passes can only lose."
    )
    figure = "newton"

    def pairs(self, evidence: Evidence) -> list[Pair]:
        """Return the network trained by Hessian-free against the same trained by Adam."""
        return against(evidence, lambda row: row["cell"] == "elman" and row["optimiser"] == "hessian_free")

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return log10 of both ratios, the pairs that count with the mean of those at equal cost, the passes."""
        found = {pair.study: evidence.compared[pair] for pair in self.pairs(evidence)}
        ratios = {}
        for study, pair in found.items():
            rows = evidence.studies[study]["methods"]
            ratios[study] = float(f"{passes(rows[pair['one']]) / passes(rows[pair['other']]):.3g}")
        counts = {study: pair for study, pair in found.items() if fair(pair, ratios[study])}
        equal = {study: pair for study, pair in counts.items() if 1 / EQUAL <= ratios[study] <= EQUAL}
        newton = evidence.random_networks["newton"]
        training = {"pairs": counts, "over_studies": over_studies(equal)}
        return {"slope": newton["slope"], "curvature": newton["curvature"], "training": training, "passes": ratios}

    def judge(self, numbers: Numbers) -> Judged:
        """Compare the two ratios, and weigh better against worse."""
        slope, curvature = (numbers[key]["mean"] for key in ("slope", "curvature"))
        training = numbers["training"]
        finds, gains = slope < 0 and curvature < slope, balance(training)
        words = (
            f"Along its steps the slope is {power(slope)} of the steepest and the curvature {power(curvature)} of that "
            "along the gradient."
        )
        if training["pairs"]:
            words += f" The network trained so is {counted(training)}."
        if numbers["passes"]:
            listed = ", ".join(f"{study} {ratio:.2g}" for study, ratio in numbers["passes"].items())
            words += f" Its passes over Adam's: {listed}; where it had more and was not worse, that decides nothing."
        if finds and gains == HOLDS:
            return HOLDS, words
        if finds or gains == HOLDS:
            return PARTLY, words
        return FAILS if gains == FAILS else UNDECIDED, words
