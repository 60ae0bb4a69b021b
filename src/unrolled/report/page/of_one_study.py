"""The tables of one study: its scores, and how far back gradients reach."""

from functools import partial

from markupsafe import escape

from unrolled.report.page.table import Cell, Table, or_nothing, small, spread, swatch, table
from unrolled.report.results import Evaluation
from unrolled.report.words import number


def gradients(study: Evaluation) -> Table | None:
    """Return how far back the gradients of a study's methods reach."""
    followed = [name for name in study.ranked if "flow" in study.methods[name]]
    heads = {
        "rate before": "before",
        "halfway": "halfway",
        "after training": "after",
        "exponent, driven": "exponent",
        "memory (steps)": "memory",
        "spectral radius": "radius",
        "largest singular value": "largest",
        "middle": "middle",
    }
    columns: dict[str, Cell] = {"method": lambda name: swatch(study, name)}
    columns |= {head: partial(_flow, study, key) for head, key in heads.items()}
    return table(f"Gradients of {study.label}", columns, followed) if followed else None


def _flow(study: Evaluation, key: str, name: str) -> str:
    return or_nothing(study.methods[name]["flow"].get(key))


def scores(study: Evaluation) -> Table:
    """Return the scores of a study."""
    rows = study.methods

    def rate(name: str) -> str:
        row = rows[name]
        edge = " (edge)" if row["rate_at_edge"] else ""
        clip = "" if row["clip"] is None else f"clipped at {number(row['clip'])}"
        return escape(or_nothing(row["learning_rate"]) + edge) + small(clip)

    def passes(name: str) -> str:
        return ", ".join(number(rows[name]["passes"][kind]) for kind in ("forward", "backward", "curvature"))

    columns: dict[str, Cell] = {
        "method": lambda name: swatch(study, name),
        "rank": lambda name: str(rows[name]["rank"] or ""),
        "median": lambda name: "diverged" if rows[name]["median"] is None else number(rows[name]["median"]),
        "range over seeds": lambda name: spread(rows[name]["interval"]),
        "mean": lambda name: or_nothing(rows[name]["mean"]),
        "p against the reference": lambda name: or_nothing(rows[name]["p_vs_rnn"]),
        "learning rate": rate,
        "weights": lambda name: f"{rows[name]['parameters']:,}",
        "passes forward, backward, curvature": passes,
        "diverged": lambda name: f"{rows[name]['diverged']} of {rows[name]['trained']}",
    }
    css = lambda name: "" if rows[name]["trains"] else "passive"  # noqa: E731
    return table(f"Scores: {study.score}", columns, study.ordered, css=css)
