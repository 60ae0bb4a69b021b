"""What the numbers of one study say beyond its scores: noise, recurrence, recall, chaos, memory."""

from unrolled.analysis.comparison import solved as solved_by
from unrolled.report.results import Evaluation
from unrolled.report.words import listed, number

HARDLY = 0.75
"""The share of the error of chance above which a recall is hardly better than chance."""


def floor(study: Evaluation) -> str:
    """Say how close each method comes to the noise floor."""
    if "floor" not in study.metrics:
        return ""
    known, rows = study.metrics["floor"], study.methods
    drawn = known["out_of_sample"]
    outside = [(n, rows[n]["out_of_sample"]) for n in study.ranked if rows[n]["out_of_sample"] is not None]
    ratios = ", ".join(f"{study.label_of(n)} {number(error / drawn)}" for n, error in outside) or "none"
    inside = [(n, rows[n]["in_sample"]) for n in study.ranked if rows[n]["in_sample"] is not None]
    fitted = [name for name, error in inside if error < known["in_sample"]]
    text = (
        f"The noise alone has variance {known['theory']:.4f} ({number(drawn)} as drawn in the test data), and no model "
        f"can expect to come below it. Test error over the noise as drawn: {ratios}."
    )
    if fitted:
        text += (
            f" Below the noise of their own training data, so they have fitted noise: {listed(study.labels(fitted))}."
        )
    return text


def recurrence(study: Evaluation) -> str:
    """Say what the linear recurrences show: Euler's step is a recurrent cell, and one is trained."""
    if "dynamics" not in study.metrics:
        return ""
    table = study.metrics["dynamics"]
    trained = sorted(2 * entry["decay"] for entry in table["learned"])
    true, euler = 2 * table["exact"][0]["decay"], 2 * table["euler"][0]["decay"]
    fixed = [f"{study.label_of(n)} {number(row['score'])}" for n, row in study.methods.items() if not row["trains"]]
    text = f"A linear RNN with two units and no training is a solver; its error: {', '.join(fixed)}. " if fixed else ""
    return text + (
        f"Trained on data instead, the median seed's recurrent matrix has the damping η = "
        f"{trained[len(trained) // 2]:.3f} (seeds from {trained[0]:.3f} to {trained[-1]:.3f}); the equation has "
        f"{true:.3f}, and Euler's step, which damps too little by about Δt, {euler:.3f}."
    )


def recall(study: Evaluation) -> str:
    """Say who solves the recall, and how fast."""
    if "recall" not in study.metrics:
        return ""
    rows, limits = study.methods, study.metrics["recall"]
    solved = [f"{study.label_of(n)} ({_solved(study, n)})" for n in study.ranked if rows[n]["extras"]["solved"] > 0]
    hardly = HARDLY * limits["chance"]
    evaluated = [n for n in study.ordered if "fault" not in rows[n]]
    chance = [n for n in evaluated if rows[n]["score"] is None or rows[n]["score"] > hardly]
    return (
        f"Solved, with a mean square error of at most {number(limits['solved'])} where always predicting the mean has "
        f"{number(limits['chance'])}: {', '.join(solved) or 'by none'}. At chance, or hardly better: "
        f"{listed(study.labels(chance))}."
    )


def chance(study: Evaluation) -> str:
    """Say what a guess has, of a study that is no recall of one length, who is hardly better, and who is right."""
    guess, rows = study.metrics.get("chance"), study.methods
    if guess is None:
        return ""
    known = [n for n in study.ranked if rows[n]["score"] is not None]
    hardly = [n for n in known if rows[n]["score"] > HARDLY * guess] if not study.higher else []
    text = f"Who guesses, by how frequent each answer is at each step, has the {study.score} {number(guess)}."
    text += f" Hardly better: {listed(study.labels(hardly))}." if not study.higher else ""
    shares = {n: rows[n]["extras"].get("accuracy") for n in known}
    right = [f"{study.label_of(n)} {share:.0%}" for n, share in shares.items() if share is not None]
    return text + (f" Right answers, blanks aside: {listed(right)}." if right else "")


def _solved(study: Evaluation, method: str) -> str:
    """Say how many seeds solve the recall, how many sequences are solved, and after how many updates."""
    row = study.methods[method]
    count, extras = solved_by(row), row["extras"]
    text = f"{count['solved']} of {count['of']} seeds, {extras['sequences_solved']:.0%} of the sequences to within 0.04"
    return text + (f", half of the seeds after {number(extras['updates'])} updates" if extras["updates"] else "")


def tolerance(study: Evaluation) -> str:
    """Say what the solver's default tolerance would do to the data."""
    loose = study.metrics.get("default_tolerance")
    best = None if study.best is None else study.methods[study.best]["score"]
    if loose is None or study.higher or not best:
        return ""
    return (
        f"SciPy's solver at its default tolerance (relative 1e-3), with which these data were published, would put the "
        f"trajectories off by {number(loose)} (root mean square), {number(loose / best)} times the test error of "
        f"{study.best_label}, which validation chooses. The data used here are verified to a far smaller "
        "error, so that a score speaks of the network."
    )


def closed_loop(study: Evaluation) -> str:
    """Say whose closed-loop forecast has the right exponent."""
    true, rows = study.metrics["lyapunov"], study.methods
    known = {n: rows[n]["exponent"] for n in study.ranked if rows[n].get("exponent") is not None}
    if not known or true is None:
        return ""
    nearest = min(known, key=lambda name: abs(known[name] - true))
    ordered = [name for name, value in known.items() if value < 0.1 * true]
    each = ", ".join(f"{study.label_of(name)} {value:.2g}" for name, value in known.items())
    text = (
        f"In closed loop a trained network is an autonomous dynamical system. Its largest Lyapunov exponent, where the "
        f"equation has {number(true)}: {each}. Nearest is {study.label_of(nearest)}."
    )
    return text + (f" No chaos (they settle or circle): {listed(study.labels(ordered))}." if ordered else "")


def memory(study: Evaluation) -> str:
    """Say over how many steps gradients still reach, before and after training."""
    rows = {n: study.methods[n]["flow"] for n in study.ranked if study.methods[n].get("flow")}
    reach = {n: row["memory"] for n, row in rows.items() if row.get("memory") is not None}
    if not reach:
        return ""
    far, near = max(reach, key=lambda n: reach[n]), min(reach, key=lambda n: reach[n])
    text = (
        f"After training, a gradient on its way back through time shrinks e-fold in {number(reach[far])} steps in "
        f"{study.label_of(far)} and in {number(reach[near])} in {study.label_of(near)}."
    )
    if endless := [n for n, row in rows.items() if row.get("memory") is None and row.get("after") is not None]:
        text += f" It does not shrink in {listed(study.labels(endless))}."
    known = [row for row in rows.values() if row.get("before") is not None and row.get("after") is not None]
    longer = sum(row["after"] > row["before"] for row in known)
    return text + (f" Training has lengthened this reach in {longer} of {len(known)} methods." if known else "")
