"""Claim 12: recurrent networks can oscillate, settle and be chaotic."""

from typing import ClassVar, Literal

from unrolled.analysis.claim import NOT_SHOWN, SHOWN, Claim, Evidence, Judged, Numbers

MIN_SHARE = 0.02
"""The share of the networks that must show a behaviour: three of the 125, so that no single odd one decides."""
NEAR = 0.25
"""The relative distance at which a trained network's exponent counts as near to the true one."""


class Behaviours(Claim):
    """Shown if random networks, at gains chosen to straddle the known transition, have all three behaviours."""

    number = 12
    kind: ClassVar[Literal["measured", "demonstration"]] = "demonstration"
    statement = "Without input, some recurrent networks settle to rest, some oscillate for ever, and some are chaotic."
    measured = (
        "Random networks without input, over the gain of their weights: how many settle, oscillate and are chaotic "
        "(largest Lyapunov exponent above zero). And the largest exponent of networks trained on Lorenz's system, in "
        "closed loop."
    )
    figure = "autonomous"

    def measure(self, evidence: Evidence) -> Numbers | None:
        """Return the counts, and the exponents of the networks trained on chaos."""
        found: Numbers = {
            "counts": dict(evidence.random_networks["autonomous"]["counts"]),
            "trained": {},
            "true": None,
        }
        for _, study, rows in evidence.rows():
            exponents = {n: row["exponent"] for n, row in rows.items() if row.get("exponent") is not None}
            if exponents and study["lyapunov"] is not None and found["true"] is None:
                found |= {"trained": exponents, "true": study["lyapunov"]}
        return found

    def judge(self, numbers: Numbers) -> Judged:
        """Count the behaviours that enough networks show."""
        counts, total = numbers["counts"], sum(numbers["counts"].values())
        seen = [kind for kind, count in counts.items() if count > 0 and count >= MIN_SHARE * total]
        verdict = SHOWN if len(seen) == len(counts) else NOT_SHOWN
        listed = ", ".join(f"{kind} {count}" for kind, count in counts.items())
        words = f"Of {total} networks without input: {listed}."
        if (true := numbers["true"]) is not None:
            near = [name for name, each in numbers["trained"].items() if abs(each - true) <= NEAR * abs(true)]
            words += (
                f" Trained on chaos, within {NEAR:.0%} of the true exponent {true:.3g}: {', '.join(near) or 'none'}."
            )
        return verdict, words
