"""Claim 7: Hessian-free optimisation copes with tiny gradients along which curvature is smaller still."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers, against, balance, counted, turned

NUMBER = 7
CLAIM = (
    "Hessian-free optimisation deals with vanishing gradients: it finds directions in which the gradient is tiny but "
    "the curvature smaller still."
)
MEASURE = (
    "On a small oscillator: slope and Gauss-Newton curvature of the loss along Hessian-free's steps, over those along "
    "the gradient. And on every study with both: the same network learned by Hessian-free over learned by Adam."
)
FIGURE = "theory-newton"


def measure(evidence: Evidence) -> Numbers | None:
    """Return the two ratios, and the advantage on each study."""
    return dict(evidence.theory["newton"]) | {"advantage": against(evidence, "rnn_hessian_free")}


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if curvature falls more than slope and networks learn better; in part if one of the two."""
    finds = 0 < numbers["slope"] < 1 and numbers["curvature"] < numbers["slope"]
    factors = numbers["advantage"]
    gains = balance(factors) in (HOLDS, PARTLY)
    verdict = HOLDS if finds and gains else PARTLY if finds or gains else FAILS
    words = (
        f"Along its steps the slope is {numbers['slope']:.2g} of the steepest and the curvature "
        f"{numbers['curvature']:.2g} of that along the gradient."
    )
    return verdict, words + (f" The network learned so is {counted(factors)}." if factors else "")


def reverse(numbers: Numbers) -> Numbers:
    """Return steps along which the curvature is the larger ratio, and every gain as a loss."""
    if judge(numbers)[0] == FAILS:
        return {"slope": 0.1, "curvature": 0.01, "advantage": dict.fromkeys(numbers["advantage"], 2.0)}
    swapped = {"slope": numbers["curvature"], "curvature": numbers["slope"]}
    return swapped | {"advantage": turned(numbers["advantage"])}
