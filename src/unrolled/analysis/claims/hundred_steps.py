"""Claim 3: over a hundred steps gradients easily vanish or explode."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers, factor

NUMBER = 3
CLAIM = "A hundred steps are enough for most gradients to be lost: they vanish, or they explode."
MEASURE = (
    "The share of all gains, evenly spaced on a logarithmic axis, at which a gradient has changed by more than a "
    "thousand over about 100 steps; and the same factor for weights as PyTorch starts them (initialiser uniform)."
)
FIGURE = "theory-gradient_map"
EASILY = 0.5
"""The share of gains from which "easily" is a fair word: more often than not."""


def measure(evidence: Evidence) -> Numbers | None:
    """Return the shares of the tanh families at the length nearest to 100, and the default weights' factor."""
    families = evidence.theory["map"]["families"]
    length = min(next(iter(families.values()))["lost"], key=lambda each: abs(int(each) - 100))
    default = evidence.theory["map"]["initialisers"].get("uniform", {}).get(length)
    lost = {name: family["lost"][length] for name, family in families.items()}
    return {"steps": int(length), "lost": lost, "limit": evidence.theory["lost"], "default_log10": default}


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if more than half of the gains of every family are lost, and PyTorch's default with them."""
    shares, default = numbers["lost"], numbers["default_log10"]
    mostly = [share > EASILY for share in shares.values()]
    gone = default is None or abs(default) > numbers["limit"]
    verdict = HOLDS if all(mostly) and gone else PARTLY if any(mostly) or (gone and default is not None) else FAILS
    words = (
        f"Lost over {numbers['steps']} steps: {', '.join(f'{s:.0%} ({n})' for n, s in shares.items())} of the gains."
    )
    return verdict, words + (
        "" if default is None else f" PyTorch's default weights leave a factor of {factor(default)}."
    )


def reverse(numbers: Numbers) -> Numbers:
    """Return what was lost as kept, and what was kept as lost."""
    lost = {name: 1 - share for name, share in numbers["lost"].items()}
    default = numbers["default_log10"]
    turned = None if default is None else 0.0 if abs(default) > numbers["limit"] else -2 * numbers["limit"]
    return numbers | {"lost": lost, "default_log10": turned}
