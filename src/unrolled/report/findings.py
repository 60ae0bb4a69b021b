"""The findings, in words, with every number filled in from the results."""

from unrolled.analysis.metrics import SOLVED
from unrolled.report.figures.cost import cost
from unrolled.report.figures.eigenvalues import damping
from unrolled.report.style import Evaluation

CHOICES = (
    ("gru", "gru_start", "seeing the first measured outputs"),
    ("gru_start_short", "gru_start", "learning from windows of twice the length"),
    ("gru_start", "gru_residual", "adding to a linear model"),
    ("gru", "gru_feedback", "the output of the step before as an input"),
    ("gru_start", "state_space", "a linear recurrence in the loop"),
    ("state_space", "state_space_residual", "adding that to a linear model"),
    ("arx", "narx", "two powers of the last output in a regression"),
)
"""Pairs of methods that differ in one choice, and its name."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Return three digits, with a power of ten only where the number reads better so."""
    if value is None:
        return "none"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def interval(row: dict) -> str:  # type: ignore[type-arg]
    """Return median and interval of a method's row."""
    low, high = row["ci95"]
    return f"{number(row['median'])} (95 % interval {number(low)} to {number(high)})"


def ranking(evaluation: Evaluation) -> str:
    """Say who comes first, who is the best recurrent network, and where the simple RNN stands."""
    rows, order = evaluation.methods, evaluation.ranked()
    best = order[0]
    what = f"the longest {evaluation.score}" if evaluation.higher else "the lowest test error"
    text = f"{best} has {what}: {interval(rows[best])}."
    close = [n for n in order[1:] if rows[n]["median"] is not None and _overlap(rows[n]["ci95"], rows[best]["ci95"])]
    if close:
        text += f" Its interval overlaps those of {', '.join(close)}: the order among them is not settled."
    recurrent = [name for name in order if rows[name]["recurrent"]]
    if recurrent and recurrent[0] != best:
        without = "state but its own outputs" if rows[best].get("feeds_back") else "recurrence"
        text += (
            f" It has no {without}. The best recurrent network is {recurrent[0]} with {interval(rows[recurrent[0]])}."
        )
    if "rnn" in rows and "rnn" not in (best, recurrent[0]):
        text += f" The simple RNN has {interval(rows['rnn'])}."
    return text


def choices(evaluation: Evaluation) -> str:
    """Say what each choice is worth: two methods that differ in nothing else."""
    rows, unit = evaluation.methods, evaluation.metrics["unit"]
    known = [(a, b, what) for a, b, what in CHOICES if a in rows and b in rows]
    pairs = [(a, b, what) for a, b, what in known if rows[a]["median"] is not None and rows[b]["median"] is not None]
    if not pairs:
        return ""
    said = [f"{what}, {number(rows[a]['median'])} to {number(rows[b]['median'])} ({a} to {b})" for a, b, what in pairs]
    return f"What each choice is worth, in {unit} on the first test: {'; '.join(said)}."


def tests(evaluation: Evaluation) -> str:
    """Say who is best on each further test, and which networks beat the regressions that take a second."""
    others, unit, rows = evaluation.metrics.get("tests", ["median"])[1:], evaluation.metrics["unit"], evaluation.methods
    if not others:
        return ""
    best = {test: evaluation.best_at(test) for test in others}
    parts = [f"on {t.replace('_', ' ')} {n} is best with {number(rows[n][t])} {unit}" for t, n in best.items()]
    text = f"Of the other tests, {', '.join(parts)}."
    networks = [name for name in evaluation.ranked() if rows[name]["recurrent"]]
    for name in evaluation.ranked():
        if rows[name]["feeds_back"] and not rows[name]["recurrent"]:
            ahead = ", ".join(n for n in networks if _below(evaluation, n, name)) or "no network"
            text += f" {name}, a regression learned in a second, is beaten on the first test by {ahead}."
    return text


def _below(evaluation: Evaluation, one: str, other: str) -> bool:
    low, high = evaluation.methods[one]["median"], evaluation.methods[other]["median"]
    return low is not None and high is not None and low < high


def _overlap(one: list[float], other: list[float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def significance(evaluation: Evaluation) -> str:
    """Say which differences from the simple RNN are more than chance."""
    tested = {n: row["p_vs_rnn"] for n, row in evaluation.methods.items() if row["p_vs_rnn"] is not None}
    clear = [n for n, p in tested.items() if p < 0.05]
    if not tested:
        return "There are too few seeds to test differences from the simple RNN."
    if not clear:
        return f"None of the {len(tested)} other methods differs from the simple RNN by more than chance (5 %, Holm)."
    base = evaluation.methods["rnn"]["median"]
    better = [n for n in clear if (evaluation.methods[n]["median"] < base) != evaluation.higher]
    worse = [n for n in clear if n not in better]
    parts = [f"{word} {', '.join(names)}" for word, names in (("better:", better), ("worse:", worse)) if names]
    return f"Different from the simple RNN by more than chance (paired t-test, Holm, 5 %): {'; '.join(parts)}."


def edges(evaluation: Evaluation) -> str:
    """Say whose chosen learning rate lies at the edge of those tried: it may do better beyond."""
    names = [n for n, row in evaluation.methods.items() if row["rate_at_edge"]]
    return f"At the edge of the learning rates tried, so perhaps better beyond: {', '.join(names)}." if names else ""


def floor(evaluation: Evaluation) -> str:
    """Say how close each method comes to the noise floor."""
    if "floor" not in evaluation.metrics:
        return ""
    known, rows = evaluation.metrics["floor"], evaluation.methods
    ratios = ", ".join(f"{n} {rows[n]['out_of_sample'] / known['theory']:.2f}" for n in evaluation.ranked())
    learned_noise = [n for n in evaluation.ranked() if rows[n]["in_sample"] < known["in_sample"]]
    text = (
        f"The noise alone has variance {known['theory']:.4f} ({number(known['out_of_sample'])} as drawn in the test "
        f"data), and no model can expect to come below it. Test error in units of that floor: {ratios}."
    )
    if learned_noise:
        text += f" Below the noise of their own learning data, so they have learned noise: {', '.join(learned_noise)}."
    return text


def recurrence(evaluation: Evaluation) -> str:
    """Say what the linear recurrences show: Euler's step is a recurrent cell, and one is learned."""
    if "dynamics" not in evaluation.metrics:
        return ""
    table, rows = evaluation.metrics["dynamics"], evaluation.methods
    learned = sorted(damping(entry) for entry in table["learned"])
    middle = learned[len(learned) // 2]
    true, euler = damping(table["exact"][0]), damping(table["euler"][0])
    text = (
        f"A linear RNN with two units and no training is a solver: with forward Euler's weights its error is "
        f"{number(rows['euler']['median'])}, with the exact step's {number(rows['exact']['median'])}. "
        if "euler" in rows and "exact" in rows
        else ""
    )
    return text + (
        f"Learned from data instead, the median seed's recurrent matrix has the damping η = {middle:.3f} "
        f"(seeds from {learned[0]:.3f} to {learned[-1]:.3f}); the equation has {true:.3f}, and Euler's step, "
        f"which damps too little by about Δt, {euler:.3f}."
    )


def outside(evaluation: Evaluation) -> str:
    """Say how the errors grow where the force is stronger than any that was learned."""
    rows = {n: evaluation.methods[n] for n in evaluation.ranked() if evaluation.methods[n].get("outside") is not None}
    if not rows:
        return ""
    order = sorted(rows, key=lambda name: rows[name]["outside"])
    errors = ", ".join(f"{n} {number(rows[n]['outside'])} (inside {number(rows[n]['median'])})" for n in order)
    same = "also the best inside" if order[0] == evaluation.ranked()[0] else f"not {evaluation.ranked()[0]}"
    return f"Under forces stronger than any that was learned, {order[0]} is best, {same}. Test RMSE there: {errors}."


def recall(evaluation: Evaluation) -> str:
    """Say who solves the recall, and how fast."""
    rows = evaluation.methods
    if evaluation.metrics.get("task") != "recall":
        return ""
    parts = [
        f"{n} ({rows[n]['solved']:.0%} of the seeds"
        + (f", the median one after {number(rows[n]['updates'])} updates)" if rows[n]["updates"] is not None else ")")
        for n in evaluation.ranked()
        if rows[n]["solved"] > 0
    ]
    guess = [n for n in evaluation.ranked() if rows[n]["median"] is None or rows[n]["median"] > 0.75 / 6]
    return (
        f"Solved, with a mean square error of at most {number(SOLVED)} where always answering the mean has 1/6: "
        f"{', '.join(parts) or 'by none'}. No better than a guess, or hardly: {', '.join(guess) or 'none'}."
    )


def tolerance(evaluation: Evaluation) -> str:
    """Say what the solver's default tolerance would do to the data."""
    loose, best = evaluation.metrics.get("default_tolerance"), evaluation.methods[evaluation.ranked()[0]]["median"]
    if loose is None or evaluation.higher or not best:
        return ""
    return (
        f"SciPy's solver at its default tolerance (relative 1e-3), with which these data were published, would put the "
        f"trajectories off by {number(loose)} (root mean square), {number(loose / best)} times the best test error "
        "here. The data learned here are verified to a far smaller error, so that a score speaks of the network."
    )


def climate(evaluation: Evaluation) -> str:
    """Say whose long run has the right spectrum and the right exponent."""
    rows, true = evaluation.methods, evaluation.metrics.get("lyapunov")
    known = {n: rows[n]["exponent"] for n in evaluation.ranked() if rows[n].get("exponent") is not None}
    if not known or true is None:
        return ""
    nearest = min(known, key=lambda n: abs(known[n] - true))
    ordered = [n for n, value in known.items() if value < 0.1 * true]
    text = (
        f"Left to itself, each network is a dynamical system. Its largest Lyapunov exponent, where the equation has "
        f"{number(true)}: {', '.join(f'{n} {known[n]:.2g}' for n in known)}. Nearest is {nearest}."
    )
    return text + (f" No chaos (they settle or circle): {', '.join(ordered)}." if ordered else "")


def memory(evaluation: Evaluation) -> str:
    """Say over how many steps gradients still reach, before and after learning, and where one step can amplify."""
    rows = {n: evaluation.methods[n]["flow"] for n in evaluation.ranked() if evaluation.methods[n].get("flow")}
    reach = {n: row["memory"] for n, row in rows.items() if row.get("memory") is not None}
    if not reach:
        return ""
    far, near = max(reach, key=lambda n: reach[n]), min(reach, key=lambda n: reach[n])
    text = (
        f"After learning, going back through time shrinks gradients e-fold in {number(reach[far])} steps in {far} and "
        f"in {number(reach[near])} in {near}."
    )
    if endless := [n for n, row in rows.items() if row.get("memory") is None and row.get("after") is not None]:
        text += f" They do not shrink in {', '.join(endless)}."
    longer = [n for n, row in rows.items() if row.get("before") is not None and row["after"] > row["before"]]
    known = [n for n, row in rows.items() if row.get("before") is not None]
    if known:
        text += f" Learning has lengthened this reach in {len(longer)} of {len(known)} methods."
    return text


def of_study(evaluation: Evaluation) -> list[str]:
    """Return what one study means, as sentences."""
    told = (ranking, choices, tests, recall, outside, climate, memory, tolerance, significance)
    sentences = (*told, floor, recurrence, edges)
    return [text for say in sentences if (text := say(evaluation))]


def otherwise(evaluation: Evaluation) -> str:
    """Say how much better the simple RNN becomes when the same network is learned otherwise."""
    rows = evaluation.methods
    if evaluation.higher or rows.get("rnn", {}).get("median") is None:
        return ""
    same = [n for n in evaluation.ranked() if n != "rnn" and rows[n]["network"] == rows["rnn"]["network"]]
    if not same:
        return ""
    best = same[0]
    return (
        f"{rows['rnn']['median'] / rows[best]['median']:.3g} on {evaluation.name} "
        f"({best}, at {cost(rows[best]) / cost(rows['rnn']):.2g} times the passes)"
    )


def overall(evaluations: list[Evaluation]) -> list[str]:
    """Return the findings that span the studies."""
    plain = [e.name for e in evaluations if not e.methods[e.ranked()[0]]["recurrent"]]
    gates = []
    for evaluation in evaluations:
        rows = evaluation.methods
        gated = [n for n in ("lstm", "gru") if n in rows and rows[n]["median"] is not None]
        if gated and not evaluation.higher and rows.get("rnn", {}).get("median"):
            best = min(gated, key=lambda n: rows[n]["median"])
            gates.append(f"{rows['rnn']['median'] / rows[best]['median']:.3g} on {evaluation.name} ({best})")
    diverged = sum(row["diverged"] for e in evaluations for row in e.methods.values())
    trained = sum(row["trained"] for e in evaluations for row in e.methods.values())
    first = (
        f"A method without recurrence is best on {len(plain)} of {len(evaluations)} studies ({', '.join(plain)}): "
        "check the simple baseline first."
        if plain
        else f"A recurrent network is best on all {len(evaluations)} studies."
    )
    texts = [first]
    if gates:
        texts.append(f"Error of the simple RNN over that of the better gated cell: {', '.join(gates)}.")
    others = [text for evaluation in evaluations if (text := otherwise(evaluation))]
    if others:
        texts.append(
            "Error of the simple RNN over that of the same network learned in the best other way (initialisation, "
            f"clipping, truncation or optimiser): {', '.join(others)}."
        )
    texts.append(f"{diverged} of {trained} trained replicas diverged.")
    return texts
