"""Stage `report`: one page, its figures, the verdicts, and all numbers in one file."""

from typing import Any

from unrolled import config, errors, paths
from unrolled.analysis import replication
from unrolled.analysis.claim import UNJUDGED
from unrolled.analysis.decay_rate import reach
from unrolled.analysis.replication import Replication
from unrolled.errors import UnrolledError
from unrolled.files import read_json, write_atomic
from unrolled.report import results
from unrolled.report.compose import Comparison
from unrolled.report.gallery import Drawn
from unrolled.report.page import render
from unrolled.report.results import Evaluation
from unrolled.training import tracking
from unrolled.training.results import seconds
from unrolled.training.runs import Run

AGAIN = "To try again: `dvc repro --force report`; with UNROLLED_STRICT=1 it says where it fails"


def _numbers(study: Evaluation) -> dict[str, dict[str, float | None]]:
    """Return what MLflow shows of each method: scores, whether it has converged, how far its gradients reach."""
    return {name: _of_method(row) for name, row in study.methods.items()}


def _of_method(row: dict[str, Any]) -> dict[str, float | None]:
    flow = row.get("flow", {})
    found = {"test/score": row["score"], "test/rank": row["rank"], "test/chosen": float(row["chosen_by_validation"])}
    found |= {f"test/{name}": other["score"] for name, other in row.get("tests", {}).items()}
    found |= {f"memory/steps_{when}": reach(flow.get(when)) for when in ("before", "after")}
    return found | {"converged": float(row["converged"]) if row.get("state") else None}


def _seconds(names: list[str]) -> dict[str, dict[str, float]]:
    """Return how long training took by study and method, as far as it is known on this machine."""
    found: dict[str, dict[str, float]] = {}
    for name in names:
        own = config.experiment(name)
        known = {method: seconds(Run(own, method)) for method in own.methods}
        found[name] = {method: each for method, each in known.items() if each is not None}
    return found


def published_run(own: tuple[replication.Studies, replication.Claims]) -> Replication | None:
    """Return the published study, where there is a whole one, compared with this run."""
    ledger = read_json(paths.LEDGER, "git checkout it, or run `make publish`")
    return None if ledger["lacking"] else replication.replication(replication.read(paths.FULL), own)


def _faults(found: results.Results, drawn: list[Drawn], claims: list[dict[str, Any]]) -> list[str]:
    """Say what is missing on the page because of a fault, and why."""
    lines = [f"the figure {each.stem} could not be drawn: {each.fault}" for each in drawn if each.fault]
    lines += [f"claim {claim['number']} {claim['words']}" for claim in claims if claim["words"].startswith(UNJUDGED)]
    for study in found.studies:
        rows = {name: row["fault"] for name, row in study.methods.items() if "fault" in row}
        lines += [f"{study.name} {name} is not evaluated: {fault}" for name, fault in rows.items()]
    return lines


@errors.one_line
def main() -> None:
    """Render the comparison from all evaluations."""
    index = config.index()
    found = results.read(index["studies"], families=index["methods"])
    names = [study.name for study in found.studies]
    whole = Comparison.of(found, {name: config.experiment(name).model_dump() for name in index["studies"]})
    replicated = errors.attempt(lambda: published_run((whole.metrics, whole.claims)))
    if isinstance(replicated, errors.Fault):
        print(f"report: not compared with the published study: {replicated}")
        replicated = None
    drawn = whole.write(paths.REPORTS, replicated=replicated)
    for line in _faults(found, drawn, whole.claims):
        print(f"report: {line}. {AGAIN}")
    # Times differ from run to run, so they stand on a page that is no output of the pipeline.
    page = render.render(found, whole.experiments, drawn, whole.claims, whole.answers, replicated, _seconds(names))
    write_atomic(paths.LOCAL, page.encode())
    try:
        tracker = tracking.connect()
    except UnrolledError as error:  # the page stands without it
        print(f"unrolled: {error}")
    else:
        for study in found.studies:
            own = config.experiment(study.name)
            tags = {"score": study.score, "better": study.metrics["better"]}
            tracker.log_scores([Run(own, name) for name in own.methods], _numbers(study), tags)
    print(f"report: {paths.INDEX}")
