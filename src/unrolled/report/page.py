"""One self-contained page from all evaluations: words first, then the table, then each study."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from unrolled import paths, registry
from unrolled.analysis.claim import VERDICTS
from unrolled.config import Method, Params, Study
from unrolled.data.store import write_atomic
from unrolled.errors import UnrolledError
from unrolled.report import findings, published
from unrolled.report import style as figures
from unrolled.report.style import Evaluation, Theory

TABLES = ("curves", "forecasts", "data", "growth", "climate", "gradients")


@dataclass(frozen=True)
class Drawn:
    """A figure, drawn once: its SVG, its caption and its title."""

    svg: str
    caption: str
    title: str


KINDS = ("many-to-one", "one-to-many", "many-to-many", "delayed many-to-many")
Figures = dict[str, dict[str, Drawn]]


def read(params: Params) -> list[Evaluation]:
    """Read the evaluation of every study in the table that was run.

    Raises
    ------
    UnrolledError
        If one is missing or damaged.
    """
    evaluations = []
    for study in params.studies:
        folder = paths.evaluated(study)
        try:
            metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))[study]
            if "not_run" in metrics:
                continue
            tables = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}
        except (OSError, ValueError, KeyError):
            raise UnrolledError(f"{folder} is missing or damaged: run `dvc repro evaluate@{study}`") from None
        evaluations.append(Evaluation(study, metrics, tables))
    learns = {n: row["learns"] for e in evaluations for n, row in e.methods.items()}
    looks = figures.looks({name: learns[name] for name in params.methods if name in learns})
    known = published.entries()
    return [
        Evaluation(e.name, e.metrics, e.tables, looks, [entry for entry in known if entry["study"] == e.name])
        for e in evaluations
    ]


def read_theory() -> Theory:
    """Read what the stage `theory` wrote.

    Raises
    ------
    UnrolledError
        If it is missing or damaged.
    """
    try:
        numbers = json.loads((paths.THEORY / "numbers.json").read_text(encoding="utf-8"))
        tables = {path.stem: pd.read_csv(path) for path in sorted(paths.THEORY.glob("*.csv"))}
    except (OSError, ValueError):
        raise UnrolledError(f"{paths.THEORY} is missing or damaged: run `dvc repro theory`") from None
    return Theory(numbers, tables)


def not_run(params: Params) -> dict[str, str]:
    """Return why studies were not run; call after `read`, which checks the files."""
    numbers = {
        study: json.loads((paths.evaluated(study) / "metrics.json").read_text("utf-8")) for study in params.studies
    }
    return {study: each[study]["not_run"] for study, each in numbers.items() if "not_run" in each[study]}


def draw(evaluations: list[Evaluation], theory: Theory) -> Figures:
    """Draw every figure item that applies; keys are "overview", "theory" or the study, then the figure's name."""
    drawn: Figures = {place: {} for place in ("overview", "theory", *(evaluation.name for evaluation in evaluations))}
    for name in registry.names("figures"):
        item = registry.load("figures", name)
        if item.SCOPE == "overview" and getattr(item, "applies", lambda evaluations: True)(evaluations):
            drawn["overview"][name] = _drawn(item.draw(evaluations), f"overview-{name}", item.CAPTION)
        if item.SCOPE == "theory" and getattr(item, "applies", lambda theory, evaluations: True)(theory, evaluations):
            drawn["theory"][name] = _drawn(item.draw(theory, evaluations), f"theory-{name}", item.CAPTION)
        for evaluation in evaluations if item.SCOPE == "study" else ():
            if item.applies(evaluation):
                figure = item.draw(evaluation)
                drawn[evaluation.name][name] = _drawn(figure, f"{evaluation.name}-{name}", item.CAPTION)
    return drawn


def _drawn(figure: Figure, name: str, caption: str) -> Drawn:
    return Drawn(figures.svg(figure, name), caption, figure.get_suptitle())


def page(
    params: Params,
    evaluations: list[Evaluation],
    drawn: Figures,
    claims: list[dict[str, Any]],
    seconds: dict[str, dict[str, float]],
) -> str:
    """Render the page; `seconds` (study, method) adds a table of training times where it is not empty."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = findings.number
    context: dict[str, Any] = {
        "params": params,
        "evaluations": evaluations,
        "figures": drawn,
        "overall": findings.overall(evaluations),
        "of_study": {e.name: findings.of_study(e) for e in evaluations},
        "methods": [m for m in params.methods if any(m in e.methods for e in evaluations)],
        "published": published.compare(evaluations),
        "claims": claims,
        "verdicts": {verdict: [c["number"] for c in claims if c["verdict"] == verdict] for verdict in VERDICTS},
        "linked": {f"{place}-{name}" for place, group in drawn.items() for name in group},
        "seconds": seconds,
        "not_run": not_run(params),
        "absent": lambda method, study: absent(params, method, study),
        "differences": differences,
        "kinds": KINDS,
        "kinds_of": kinds_of,
        "order": ("data", "forecast", "learning_curves"),
    }
    return environment.get_template("template.html").render(context)


def kinds_of(study: Study, kind: str) -> list[str]:
    """Return the kinds of sequence task that a study covers, in the lecture's terms."""
    alone = study.horizon is not None or study.score == "forecast_rmse"
    return [kind, *([KINDS[-1]] if alone else [])]


def absent(params: Params, method: str, study: str) -> str:
    """Say in a few words why a method is not in a study."""
    row = params.methods[method]
    if row.only is not None and study not in row.only:
        return row.why or ""
    return "not in this budget"


def differences(row: Method) -> str:
    """Say what else differs in a method's row: clipping, truncation, options."""
    known: dict[str, list[float] | None] = {
        "norm at most": row.clip_norm,
        "components at most": row.clip_value,
        "cut every": [row.truncate] if row.truncate else None,
        "steps": [row.steps] if row.steps else None,
        **{name: [value] for name, value in row.options.items()},
    }
    said = [f"{name} {' or '.join(f'{v:g}' for v in values)}" for name, values in known.items() if values]
    return ", ".join([*([f"sees {', '.join(row.sees)}"] if row.sees else []), *said])


def write_figures(drawn: Figures) -> None:
    """Write each figure as an SVG file of its own, and remove those that are no longer made."""
    made = set()
    for place, group in drawn.items():
        for name, figure in group.items():
            path = paths.FIGURES / (f"{name}.svg" if place == "overview" else f"{place}-{name}.svg")
            write_atomic(path, figure.svg.encode())
            made.add(path)
    for path in set(paths.FIGURES.glob("*.svg")) - made:
        path.unlink()
