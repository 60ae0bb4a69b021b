"""Claim 4: careful initialisation avoids it."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers, factor

NUMBER = 4
CLAIM = "Vanishing and exploding gradients are avoided by starting from very carefully chosen weights."
MEASURE = (
    "The factor by which a gradient changes over each length, in networks as the careful initialisers start them "
    "(orthogonal, identity with ReLU, echo state), under standard normal inputs."
)
FIGURE = "theory-gradient_map"
CARELESS = "uniform"


def measure(evidence: Evidence) -> Numbers | None:
    """Return log10 of the factors of each initialiser at each length."""
    found = evidence.theory["map"]["initialisers"]
    careful = {name: lengths for name, lengths in found.items() if name != CARELESS}
    if not careful or CARELESS not in found:
        return None
    return {"limit": evidence.theory["lost"], "careful": careful, "careless": found[CARELESS]}


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if every careful start keeps its gradient within the limit at every length.

    In part asks for more than the careless start has: a factor within the limit at a length at which
    that one has lost its gradient.
    """
    limit, careful, careless = numbers["limit"], numbers["careful"], numbers["careless"]
    kept = {n: [int(k) for k, log in row.items() if abs(log) <= limit] for n, row in careful.items()}
    lost = [int(k) for k, log in careless.items() if abs(log) > limit]
    helped = [n for n, lengths in kept.items() if set(lengths) & set(lost)]
    verdict = HOLDS if all(len(kept[n]) == len(row) for n, row in careful.items()) else PARTLY if helped else FAILS
    longest = ", ".join(f"{n} {max(lengths, default=0)} steps" for n, lengths in kept.items())
    end = ", ".join(f"{n} {factor(row[last])}" for n, row in careful.items() for last in [list(row)[-1]])
    return verdict, (
        f"Within a factor of 10^{limit:g} up to: {longest}; {CARELESS} {min(lost, default=0)} steps are too many "
        f"already. Over the longest, {list(careless)[-1]} steps: {end}."
    )


def reverse(numbers: Numbers) -> Numbers:
    """Return the careful starts as lost as the careless one, and that one as if it kept all."""
    far = {name: {k: -2 * numbers["limit"] for k in row} for name, row in numbers["careful"].items()}
    near = {name: dict.fromkeys(row, 0.0) for name, row in numbers["careful"].items()}
    return numbers | {"careful": near if judge(numbers)[0] == FAILS else far}
