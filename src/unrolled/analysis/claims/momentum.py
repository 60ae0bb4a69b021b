"""Claim 9: careful initialisation and momentum do well."""

from unrolled.analysis.claim import Evidence, Judged, Numbers, against, balance, counted, turned

NUMBER = 9
CLAIM = "Starting as an echo state network and then learning all weights with momentum is an effective way to learn."
MEASURE = "On every study with both: echo-state initialisation with Nesterov momentum over the same network with Adam."
FIGURE = "overview-headline"


def measure(evidence: Evidence) -> Numbers | None:
    """Return the advantage on each study."""
    factors = against(evidence, "rnn_momentum")
    return {"advantage": factors} if factors else None


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if it is nowhere worse and somewhere better, in part if more often better."""
    factors = numbers["advantage"]
    return balance(factors), f"At this budget it is {counted(factors)}, against uniform weights and Adam."


def reverse(numbers: Numbers) -> Numbers:
    """Return every gain as a loss."""
    return {"advantage": turned(numbers["advantage"])}
