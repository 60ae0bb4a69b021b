"""One page from all results: words first, then the tables and figures of all studies, then each study."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from unrolled.analysis.replication import Replication
from unrolled.errors import Fault, attempt
from unrolled.files import write_atomic
from unrolled.report import findings, gallery, published
from unrolled.report.figure import LEADING
from unrolled.report.findings.overview import converged, overall
from unrolled.report.gallery import Drawn
from unrolled.report.page import facts, first_screen, of_methods, of_one_study, of_studies
from unrolled.report.results import Evaluation, Results

Experiments = dict[str, dict[str, Any]]
"""The resolved experiment of each study, as in `data/experiments/STUDY.json`."""


def write(
    results: Results,
    experiments: Experiments,
    claims: list[dict[str, Any]],
    folder: Path,
    answers: dict[str, Any] | None = None,
    **more: Any,
) -> list[Drawn]:
    """Make `folder/index.html` and its figures, of all studies or a few, and return these; `more` is as in `render`."""
    drawn = gallery.draw(results, folder / "figures")
    write_atomic(folder / "index.html", render(results, experiments, drawn, claims, answers, **more).encode())
    return drawn


def render(
    results: Results,
    experiments: Experiments,
    drawn: list[Drawn],
    claims: list[dict[str, Any]],
    answers: dict[str, Any] | None = None,
    replicated: Replication | None = None,
    seconds: dict[str, dict[str, float]] | None = None,
    spreads: dict[str, dict[str, Any]] | None = None,
    origin: dict[str, Any] | None = None,
) -> str:
    """Return the page, which looks for its figures in the folder `figures` beside it.

    Parameters
    ----------
    results : Results
    experiments : dict
        Of every study of the results.
    drawn : list of Drawn
        In the order of the page.
    claims : list of dict
        As in claims.json; none for a page of a few studies.
    answers : dict, optional
        As in answers.json.
    replicated : Replication, optional
        The published study, compared with this run.
    seconds : dict, optional
        Training times by study and method, which add a table.
    spreads : dict, optional
        By study, as in `analysis.spread`, of those that were made again on other data.
    origin : dict, optional
        Of the published study: what its ledger `records.json` says.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    studies, whole = results.studies, len(results.studies) > 1
    literature, answers = published.compare(studies), answers or {}
    same = published.followed(results.to_follow, results.literature or {})
    board, few = of_methods.leaderboard(results, experiments) if whole else (None, None)
    return environment.get_template("template.html").render(
        results=results,
        single=not whole,
        answer=first_screen.answer(studies) if whole else "",
        memory_map=first_screen.memory_map(results, experiments),
        choices=first_screen.choices(studies, answers),
        questions=first_screen.short_answers(studies, answers, origin is not None) if whole else [],
        groups=[
            (group, words, members)
            for group, words in first_screen.GROUPS.items()
            if (members := [study for study in studies if study.metrics["group"] == group])
        ],
        overall=overall(studies) if whole else [],
        intro=facts.intro(results, experiments),
        state=converged(studies),
        seeds=facts.seeds(results, experiments),
        replication=of_studies.replication(replicated) if replicated else None,
        origin=facts.origin(origin) if origin else "",
        spreads=of_studies.spreads(spreads or {}, studies),
        figures={section: _of(section, drawn) for section in ("trust", "overview", "why")},
        of_study={
            study.name: _section(study, experiments[study.name], [each for each in drawn if each.study == study.name])
            for study in studies
        },
        leaderboard=board,
        few=few,
        kinds=of_studies.kinds(studies),
        published=of_studies.published(literature, studies),
        literature=facts.literature(literature),
        sources=of_studies.sources(literature),
        followed=of_studies.followed(same),
        protocols=facts.followed(same),
        seconds=of_methods.seconds(results, seconds) if seconds else None,
        claims=of_studies.claims(claims, {each.stem for each in drawn}),
        verdicts=facts.verdicts(claims),
        methods=of_methods.methods(results, experiments),
    )


def _section(study: Evaluation, experiment: dict[str, Any], drawn: list[Drawn]) -> dict[str, Any]:
    """Return what stands in the section of one study; of a table that cannot be made, nothing but the reason."""
    parts: dict[str, Callable[[], Any]] = {
        "facts": partial(facts.of_study, study, experiment),
        "findings": partial(findings.of_study, study),
    }
    tables: dict[str, Any] = {
        "scores": of_one_study.scores,
        "outputs": of_one_study.outputs,
        "ensemble": of_one_study.ensemble,
        "attractor": of_one_study.attractor,
        "gradients": of_one_study.gradients,
    }
    parts |= {name: partial(make, study) for name, make in tables.items()}
    found = {name: attempt(make) for name, make in parts.items()}
    faults = {name: fault for name, fault in found.items() if isinstance(fault, Fault)}
    first = sum(each.item.order <= LEADING for each in drawn)
    return {**found, **dict.fromkeys(faults), "figures": drawn, "faults": faults, "first": first}


def _of(section: str, drawn: Iterable[Drawn]) -> list[Drawn]:
    return [each for each in drawn if each.section == section]
