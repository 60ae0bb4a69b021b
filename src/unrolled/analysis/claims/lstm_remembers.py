"""Claim 6: LSTM remembers for long times."""

from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, Evidence, Judged, Numbers, explained, reach

NUMBER = 6
CLAIM = "An LSTM, built of modules that hold on to what they are given, remembers over long times."
MEASURE = (
    "Recall of two marked values: the share of the answers' variance that the median seed explains, at each length, "
    "for the plain LSTM, for the best LSTM, and for the simple network."
)
FIGURE = "overview-reach"


def measure(evidence: Evidence) -> Numbers | None:
    """Return the shares of the three, by length."""
    plain, best, simple = {}, {}, {}
    for length, rows in evidence.recalls().items():
        gated = [explained(row) for name, row in rows.items() if name.startswith("lstm")]
        if gated:
            best[length] = max(gated)
        if "lstm" in rows and "rnn" in rows:
            plain[length], simple[length] = explained(rows["lstm"]), explained(rows["rnn"])
    return {"plain": plain, "best": best, "simple": simple} if plain else None


def judge(numbers: Numbers) -> Judged:
    """Say that it holds if the plain LSTM remembers at all lengths; in part if one outlasts the simple network."""
    plain, best, simple = (reach(numbers[key]) for key in ("plain", "best", "simple"))
    far = max(int(length) for length in numbers["plain"])
    verdict = HOLDS if plain == far > simple else PARTLY if best > simple else FAILS
    return verdict, (
        f"The plain LSTM remembers up to {plain} steps and the simple network up to {simple} ({far} tried); the best "
        f"variant of the LSTM up to {best} ({max(int(length) for length in numbers['best'])} tried)."
    )


def reverse(numbers: Numbers) -> Numbers:
    """Return the LSTM's shares as the simple network's and the other way round."""
    if judge(numbers)[0] == FAILS:
        return numbers | {"plain": dict.fromkeys(numbers["plain"], 1.0), "simple": dict.fromkeys(numbers["plain"], 0.0)}
    return {"plain": numbers["simple"], "best": numbers["simple"], "simple": numbers["best"]}
