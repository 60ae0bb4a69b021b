"""Claim 12: recurrent networks can oscillate, settle and be chaotic."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers

NUMBER = 12
CLAIM = "Left to themselves, some recurrent networks come to rest, some swing for ever, and some are chaotic."
MEASURE = (
    "Random networks left alone, over the gain of their weights: how many settle, oscillate and are chaotic (largest "
    "Lyapunov exponent above zero). And networks that learned Lorenz's system: their largest exponent."
)
FIGURE = "theory-alone"
LEAST = 0.02
"""The share of the networks that must show a behaviour: three of the 125, so that no single odd one decides."""
NEAR = 0.25
"""The relative distance at which a learned exponent counts as near to the true one."""


def measure(evidence: Evidence) -> Numbers | None:
    """Return the counts, and the exponents of the networks that learned chaos."""
    found: Numbers = {"counts": dict(evidence.theory["alone"]["counts"]), "learned": {}, "true": None}
    for _, study, rows in evidence.rows():
        exponents = {n: row["exponent"] for n, row in rows.items() if row.get("exponent") is not None}
        if exponents and study.get("lyapunov") is not None and found["true"] is None:
            found |= {"learned": exponents, "true": study["lyapunov"]}
    return found


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if all three are seen, in part if two."""
    counts = numbers["counts"]
    seen = [kind for kind, count in counts.items() if count >= LEAST * sum(counts.values())]
    verdict = HOLDS if len(seen) == len(counts) else PARTLY if len(seen) > 1 else FAILS
    listed = ", ".join(f"{kind} {count}" for kind, count in counts.items())
    words = f"Of {sum(counts.values())} networks without input: {listed}."
    if numbers["true"] is not None:
        near = [n for n, e in numbers["learned"].items() if abs(e / numbers["true"] - 1) <= NEAR]
        words += (
            f" Learned chaos within {NEAR:.0%} of the true exponent {numbers['true']:.3g}: {', '.join(near) or 'none'}."
        )
    return verdict, words


def reverse(numbers: Numbers) -> Numbers:
    """Return networks that all do one thing; or as many of each, where they did."""
    counts = numbers["counts"]
    if judge(numbers)[0] == FAILS:
        return numbers | {"counts": dict.fromkeys(counts, 10)}
    first = next(iter(counts))
    return numbers | {"counts": {kind: sum(counts.values()) if kind == first else 0 for kind in counts}}
