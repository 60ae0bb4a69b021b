"""Claim 3: over a hundred steps gradients easily vanish or explode."""

import numpy as np

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, UNDECIDED, Claim, Evidence, Judged, Numbers, power
from unrolled.analysis.statistics import solves

STEPS = 100
DEFAULT = "uniform"
"""The initialiser that is PyTorch's default."""


class HundredSteps(Claim):
    """Holds if most networks of the studies start so, and PyTorch's default weights with them; in part if one of both.

    Which networks are counted is chosen by the table of methods, and no range of gains is.
    """

    number = 3
    statement = "A hundred steps are enough for most gradients to vanish or to explode."
    measured = (
        "Every recurrent network of every study as it starts training, under that study's inputs, those that start "
        "alike once: the rate at which its gradient changes with each step back, and whether 100 such steps change it"
        " by more than a thousand. And the factor for PyTorch's default weights (initialiser uniform), in networks "
        "under standard normal inputs."
    )
    figure = "gradient_map"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return how many networks start with a gradient that vanishes or explodes, and the default weights' factor."""
        limit = evidence.random_networks["vanished"]
        starts = {
            (study, row["network"], row["initialiser"]): row["flow"]["before"]
            for study, _, rows in evidence.rows()
            for row in rows.values()
            if row["trains"] and row.get("flow", {}).get("before") is not None
        }
        gone = sum(abs(rate) * STEPS / np.log(10) > limit for rate in starts.values())
        lengths = evidence.random_networks["gradient_map"]["initialisers"].get(DEFAULT, {})
        nearest = min(lengths, key=lambda each: abs(int(each) - STEPS), default=None)
        default = None if nearest is None else lengths[nearest]
        count = {"solved": int(gone), "of": len(starts)}
        return {"limit": limit, "gone": count, "steps": int(nearest or 0), "default_log10": default}

    def judge(self, numbers: Numbers) -> Judged:
        """Ask whether most have changed, and whether the default has."""
        count, default, limit = numbers["gone"], numbers["default_log10"], numbers["limit"]
        mostly = solves(**count) if count["of"] else None
        words = f"The gradient of {count['solved']} of {count['of']} networks, as they start, vanishes or explodes."
        if default is None:
            return {True: HOLDS, False: FAILS, None: UNDECIDED}[mostly], words
        words += f" PyTorch's default weights leave a factor of {power(default['mean'])} over {numbers['steps']} steps."
        gone = abs(default["mean"]) > limit
        if mostly is None:
            return UNDECIDED, words
        return HOLDS if mostly and gone else PARTLY if mostly or gone else FAILS, words
