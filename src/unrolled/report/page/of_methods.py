"""Tables whose rows are methods: their scores on all studies, their training times, and what each is."""

from functools import partial
from math import inf, log10
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from unrolled.report.page.table import Cell, Table, Value, heat, small, spread, swatch, table
from unrolled.report.results import Evaluation, Results
from unrolled.report.words import listed, number


class Method(NamedTuple):
    """A row: a method, and of the studies that have it the first with its numbers there."""

    name: str
    study: Evaluation
    row: dict[str, Any]

    @property
    def css(self) -> str:
        """What marks the row in HTML."""
        return "" if self.row["trains"] else "passive"


def _methods(results: Results) -> list[Method]:
    """Return all methods, those of a family side by side."""
    found: dict[str, Method] = {}
    for study in results.studies:
        for name, row in study.methods.items():
            found.setdefault(name, Method(name, study, row))
    families = list(dict.fromkeys(method.row["family"] for method in found.values()))
    return sorted(found.values(), key=lambda method: families.index(method.row["family"]))


def _named(method: Method) -> str:
    return swatch(method.study, method.name)


def leaderboard(results: Results, experiments: dict[str, dict[str, Any]]) -> tuple[Table, Table | None]:
    """Return every method on every study: those on at least half of the studies, and the others.

    A cell is filled by the factor between a method's score and the study's best, on a logarithmic scale.
    """

    def rows(method: Method) -> list[dict[str, Any]]:
        return [study.methods[method.name] for study in results.studies if method.name in study.methods]

    columns: dict[str, Cell] = {"method": _named}
    for study in results.studies:
        head = Markup('<a href="#{}">{}</a>').format(study.name, study.label) + small(study.score)
        columns[head] = partial(_score, study, experiments[study.name]["absent"])
    columns |= {
        "weights": lambda method: _range([row["parameters"] for row in rows(method)]),
        "diverged": lambda m: f"{sum(r['diverged'] for r in rows(m))} of {sum(r['trained'] for r in rows(m))}",
    }
    known = _methods(results)
    often = [method for method in known if 2 * len(rows(method)) >= len(results.studies)]
    made = [
        table(caption, columns, part, css=lambda method: method.css, method=lambda method: method.name)
        for caption, part in (("Leaderboard", often), ("Methods on few studies", [m for m in known if m not in often]))
    ]
    return made[0], made[1] if made[1].rows else None


def _score(study: Evaluation, absent: dict[str, str], method: Method) -> str | Value:
    row = study.methods.get(method.name)
    if row is None:
        return Value(Markup('<span title="{}">–</span>').format(absent.get(method.name, "not run")), None, "hatched")
    if row["score"] is None:
        return Value(escape(study.without_score(method.name)) + small(row.get("fault", "")), None)
    value = Markup("<b>{} ◆</b>" if row["chosen_by_validation"] else "{}").format(number(row["score"]))
    behind, state = factor(study, row["score"]), "" if row["converged"] else row["state"] or ""
    times = f"× {number(behind)}" if row["rank"] else ""
    return Value(
        value + small(times) + small(spread(row["interval"])) + small(state),
        behind if behind < inf else None,
        heat(1 - log10(behind) / 2 if 0 < behind < inf else 0.0) if row["rank"] else "",
    )


def factor(study: Evaluation, score: float) -> float:
    """Return by which factor a score is behind the study's best: 1 of the best itself, and where none is trained."""
    if not study.ranked:
        return 1.0
    best = study.methods[study.ranked[0]]["score"]
    low, high = (score, best) if study.higher else (best, score)
    return 1.0 if low == high else high / low if low > 0 else inf


def _range(sizes: list[int]) -> str:
    return " to ".join(f"{size:,}" for size in sorted({min(sizes), max(sizes)})) if sizes else ""


def seconds(results: Results, known: dict[str, dict[str, float]]) -> Table:
    """Return how long each method was trained."""
    columns: dict[str, Cell] = {"method": _named}
    columns |= {study.label: partial(_time, known.get(study.name, {})) for study in results.studies}
    return table("Training times (seconds)", columns, _methods(results))


def _time(times: dict[str, float], method: Method) -> str:
    return f"{times[method.name]:.1f}" if method.name in times else "–"


def methods(results: Results, experiments: dict[str, dict[str, Any]]) -> Table:
    """Return what each method is."""
    known = [experiments[study.name] for study in results.studies]

    def given(method: Method) -> list[dict[str, Any]]:
        """Return the method as each experiment has it."""
        return [each["methods"][method.name] for each in known if method.name in each["methods"]]

    def cell(method: Method) -> str:
        units = _range([row["hidden"] for row in given(method) if row["hidden"]])
        return method.row["cell"] + (f", {units} units" if units else "")

    def by_hand(method: Method) -> str:
        return "; ".join(dict.fromkeys(row["tuned_by_hand"] for row in given(method) if row["tuned_by_hand"]))

    def absent(method: Method) -> str:
        reasons = (each["absent"].get(method.name) for each in known)
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason))

    columns: dict[str, Cell] = {
        "method": _named,
        "what it is": lambda method: method.row["about"],
        "cell": cell,
        "initialiser": lambda method: method.row["initialiser"],
        "optimiser": lambda method: method.row["optimiser"],
        "what else differs": lambda method: differences(given(method)[0]),
        "tuned by hand": by_hand,
        "why not everywhere": absent,
    }
    prose = ("what it is", "what else differs", "why not everywhere")
    return table(
        "Methods", columns, _methods(results), prose, css=lambda method: method.css, method=lambda method: method.name
    )


def differences(row: dict[str, Any]) -> str:
    """Say what else a method sets: inputs, clipping, truncation, options."""
    plain = {
        "norm at most": row["clip_norm"],
        "components at most": row["clip_value"],
        "weight of the regulariser Ω": row.get("omega"),
        "truncated every": row["truncate"],
        "trained on steps": row["steps"],
        "input noise": row["input_noise"],
        "inputs and outputs centred": "yes" if row["centred"] else None,
        "in closed loop over the last steps": row["closed_loop"],
        "epochs": row["epochs"],
        **{name.replace("_", " "): value for name, value in row["options"].items()},
    }
    said = [f"sees {listed(row['inputs'])}"] if row["inputs"] else []
    said += [f"residual of a {row['residual']} model"] if row["residual"] else []
    return "; ".join([*said, *(f"{name} {_value(value)}" for name, value in plain.items() if value is not None)])


def _value(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return " or ".join(f"{each:g}" if isinstance(each, int | float) else str(each) for each in values)
