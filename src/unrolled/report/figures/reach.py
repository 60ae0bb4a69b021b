"""How far back each method reaches: the error of recall against the length of the sequence."""

from matplotlib.figure import Figure

from unrolled.analysis.metrics import SOLVED
from unrolled.report.style import Evaluation, new

SCOPE = "overview"
CAPTION = (
    "Recall of two marked values (the adding problem): test error against the length T of the sequence, median over "
    "the seeds with its bootstrap 95 % interval, each method learned anew at each length. Above the dashed line lies "
    "no knowledge: always answering the mean has the error 1/6. Below the dotted line the task counts as solved."
)
MEAN = 1 / 6


def recalls(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Return the recall studies, by length."""
    found = [e for e in evaluations if e.metrics.get("task") == "recall"]
    return sorted(found, key=lambda e: max(row["steps"] for row in e.methods.values()))


def applies(evaluations: list[Evaluation]) -> bool:
    """Return whether there are recalls of more than one length."""
    return len(recalls(evaluations)) > 1


def draw(evaluations: list[Evaluation]) -> Figure:
    """Draw one line a method."""
    studies = recalls(evaluations)
    figure, axes = new(9, 5)
    axis = axes[0, 0]
    names = [n for n in studies[0].looks if any(n in e.ranked() for e in studies)]
    for place, name in enumerate(names):
        rows = [row for e in studies if (row := e.methods.get(name)) and row["median"] is not None]
        look, shift = studies[0].looks[name], 1 + 0.012 * (place - len(names) / 2)
        lengths = [row["steps"] * shift for row in rows]
        axis.plot(lengths, [row["median"] for row in rows], look.marker, ls=look.dash, color=look.colour, label=name)
        for x, row in zip(lengths, rows, strict=True):
            axis.plot([x, x], row["ci95"], color=look.colour, lw=1.4)
    axis.axhline(MEAN, color="black", lw=1, ls="--")
    axis.axhline(SOLVED, color="black", lw=1, ls=":")
    axis.set_xscale("log")
    axis.set_yscale("log")
    ticks = sorted({row["steps"] for e in studies for row in e.methods.values()})
    axis.set_xticks(ticks, [str(t) for t in ticks])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("length T (steps)")
    axis.set_ylabel("mean square error of the answer (dimensionless)")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(_title(studies), x=0.01, ha="left")
    return figure


def _title(studies: list[Evaluation]) -> str:
    longest = studies[-1]
    solved = [n for n in longest.ranked() if longest.methods[n]["median"] <= SOLVED]
    steps = max(row["steps"] for row in longest.methods.values())
    return (
        f"At {steps} steps {', '.join(solved) or 'no method'} still {'solve' if len(solved) > 1 else 'solves'} recall"
    )
