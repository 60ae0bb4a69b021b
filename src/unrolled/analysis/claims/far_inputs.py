"""Claim 5: even from careful weights, what depends on far inputs is hard to find."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, REMEMBERS, Evidence, Judged, Numbers, explained, reach

NUMBER = 5
CLAIM = "Even with good first weights, a simple recurrent network hardly finds that its target depends on a far input."
MEASURE = (
    "Recall of two marked values: the share of the answers' variance that the median seed explains, for the best of "
    "the simple networks with careful weights (orthogonal, identity, echo state), at each length it was tried."
)
FIGURE = "overview-reach"
CAREFUL = ("rnn_orthogonal", "rnn_identity", "rnn_momentum")


def measure(evidence: Evidence) -> Numbers | None:
    """Return the best explained share for each length."""
    found = {}
    for length, rows in evidence.recalls().items():
        shares = [explained(rows[name]) for name in CAREFUL if name in rows]
        if shares:
            found[length] = max(shares)
    return {"explained": found} if found else None


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if none remembers at any length; in part if only at the shorter ones."""
    shares = numbers["explained"]
    longest, far = reach(shares), max(int(length) for length in shares)
    verdict = HOLDS if longest == 0 else PARTLY if longest < far else FAILS
    listed = ", ".join(f"{share:.0%} at {length} steps" for length, share in shares.items())
    told = "No network remembers" if longest == 0 else f"The longest that one remembers is {longest} steps"
    return verdict, f"{told} ({REMEMBERS:.0%} needed). Explained by the best: {listed}."


def reverse(numbers: Numbers) -> Numbers:
    """Return what was not explained as explained."""
    return {"explained": {length: 1 - share for length, share in numbers["explained"].items()}}
