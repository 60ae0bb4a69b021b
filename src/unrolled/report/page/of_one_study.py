"""The tables of one study: its scores, its attractors, and how far back gradients reach."""

from functools import partial
from typing import Any

from markupsafe import Markup, escape

from unrolled.report.page.table import Cell, Table, Value, or_nothing, small, spread, swatch, table
from unrolled.report.results import Evaluation
from unrolled.report.words import number

FLOOR = "the system itself (floor)"
ATTRACTOR = {"D_stsp": "d_stsp", "D_H": "d_h", "PE(20)": "pe_20"}


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
    return table(f"Gradients of {study.label}", columns, followed, method=str) if followed else None


def _flow(study: Evaluation, key: str, name: str) -> str:
    return or_nothing(study.methods[name]["flow"].get(key))


def ensemble(study: Evaluation) -> Table | None:
    """Return what the seeds of each method are worth as an ensemble, best first, where any has several."""
    known = {name: row["ensemble"] for name, row in study.methods.items() if row.get("ensemble")}
    if not any(each["members"] > 1 for each in known.values()):
        return None
    unit = study.metrics["error_unit"]

    def share(name: str, key: str) -> str | Value:
        value = known[name][key]
        return Value("", None) if value is None else Value(f"{100 * value:.0f} %", value)

    columns: dict[str, Cell] = {
        "method": lambda name: swatch(study, name),
        f"CRPS ({unit})": lambda name: number(known[name]["crps"]),
        f"MAE of the median seed ({unit})": lambda name: number(known[name]["mae"]),
        "CRPS / MAE": partial(_gain, known),
        "seeds": lambda name: str(known[name]["members"]),
        "truth in their range": partial(share, key="coverage"),
        "if calibrated": partial(share, key="nominal"),
    }
    css = lambda name: "" if study.methods[name]["trains"] else "passive"  # noqa: E731
    order = sorted(known, key=lambda name: known[name]["crps"])
    return table(f"The seeds of {study.label} as an ensemble", columns, order, css=css, method=str)


def _gain(known: dict[str, dict[str, Any]], name: str) -> str:
    found = known[name]
    return number(found["crps"] / found["mae"]) if found["mae"] else ""


def outputs(study: Evaluation) -> Table | None:
    """Return the error of each output of a record by itself, in its own unit, where there are several."""
    known = [name for name in study.ordered if "outputs" in study.methods[name]]
    heads = {f"{output} ({unit})": output for output, unit in study.metrics["outputs"].items()}
    columns: dict[str, Cell] = {"method": lambda name: swatch(study, name)}
    columns |= {head: partial(_of_output, study, output) for head, output in heads.items()}
    return table(f"RMSE of each output of {study.label}", columns, known) if known else None


def _of_output(study: Evaluation, output: str, name: str) -> Markup:
    found = study.methods[name]["outputs"][output]
    return escape(or_nothing(found["score"])) + small(spread(found["interval"]))


def attractor(study: Evaluation) -> Table | None:
    """Return how near the methods' attractors are to that of a chaotic system, with the floor of each number."""
    floor = study.metrics["attractor_floor"]
    if floor is None:
        return None
    found = {FLOOR: floor} | {n: study.methods[n]["attractor"] for n in study.ordered if study.methods[n]["attractor"]}

    def exponents(name: str) -> str:
        return ", ".join(number(each) for each in found[name]["exponents"] or [])

    columns: dict[str, Cell] = {"method": lambda name: name if name == FLOOR else swatch(study, name)}
    columns |= {head: partial(_number, found, key) for head, key in ATTRACTOR.items()}
    columns["exponents"] = exponents
    return table(f"The attractor of {study.label}", columns, found, method=lambda name: "" if name == FLOOR else name)


def _number(found: dict[str, dict[str, Any]], key: str, name: str) -> str:
    return or_nothing(found[name][key])


def scores(study: Evaluation) -> Table:
    """Return the scores of a study."""
    rows = study.methods

    def rate(name: str) -> str:
        row = rows[name]
        clip = "" if row["clip"] is None else f"clipped at {number(row['clip'])}"
        said = "; ".join(f"{end} {name.replace('_', ' ')} tried" for name, end in row["at_edge"].items())
        options = ", ".join(f"{key.replace('_', ' ')} {number(value)}" for key, value in row.get("options", {}).items())
        return escape(or_nothing(row["learning_rate"])) + small(clip) + small(options) + small(said)

    def chosen(name: str) -> str:
        by_hand = rows[name]["tuned_by_hand"]
        said = ["chosen"] if rows[name]["chosen_by_validation"] else []
        return "; ".join([*said, *([f"by hand: {by_hand}"] if by_hand else [])])

    def score(name: str) -> str:
        if rows[name]["score"] is None:
            return escape(study.without_score(name)) + small(rows[name].get("fault", ""))
        return number(rows[name]["score"])

    def accuracy(name: str) -> str:
        return or_nothing(rows[name]["extras"].get("accuracy"))

    def passes(name: str) -> str:
        return ", ".join(number(rows[name]["passes"][kind]) for kind in ("forward", "backward", "curvature"))

    columns: dict[str, Cell] = {
        "method": lambda name: swatch(study, name),
        "score": score,
        "interval": lambda name: spread(rows[name]["interval"]),
        **({"accuracy": accuracy} if any("accuracy" in row["extras"] for row in rows.values()) else {}),
        "validation loss": lambda name: or_nothing(rows[name]["val_loss"]) + small(chosen(name)),
        "rank by test": lambda name: str(rows[name]["rank"] or ""),
        "learning rate": rate,
        "training": lambda name: rows[name]["state"] or "none",
        "best epoch": lambda name: or_nothing(rows[name]["best_epoch"]),
        "updates": lambda name: f"{rows[name]['updates']:,}",
        "weights": lambda name: f"{rows[name]['parameters']:,}",
        "passes forward, backward, curvature": passes,
        "diverged": lambda name: f"{rows[name]['diverged']} of {rows[name]['trained']}",
    }
    css = lambda name: "" if rows[name]["trains"] else "passive"  # noqa: E731
    return table(f"Scores: {study.score}", columns, study.ordered, css=css, method=str)
