"""Stage `report`: one page, its figures, and all metrics in one file."""

from unrolled import config, errors, paths
from unrolled.data.store import write_atomic, write_json
from unrolled.report import page, published, verdicts
from unrolled.report.style import Evaluation, style
from unrolled.training import tracking


def _numbers(evaluation: Evaluation) -> dict[str, float | None]:
    """Return what MLflow shows of a study's methods: test scores, and how far back their gradients reach."""
    numbers = {f"test {name}": row["median"] for name, row in evaluation.methods.items()}
    for name, row in evaluation.methods.items():
        numbers |= {f"gradient {key} {name}": value for key, value in row.get("flow", {}).items()}
    return numbers


@errors.one_line
def main() -> None:
    """Render the comparison from all evaluations."""
    table = config.load()
    evaluations, theory = page.read(table), page.read_theory()
    with style():
        drawn = page.draw(evaluations, theory)
    claims = verdicts.of_all(evaluations, theory)
    page.write_figures(drawn)
    write_atomic(paths.INDEX, page.page(table, evaluations, drawn, claims, seconds={}).encode())
    write_json(paths.CLAIMS, claims)
    write_json(paths.PUBLISHED, published.compare(evaluations))
    write_json(paths.METRICS, {e.name: e.metrics for e in evaluations})
    for e in evaluations:
        figures = [paths.FIGURES / f"{e.name}-{name}.svg" for name in drawn[e.name]]
        tracking.log_figures(e.name, figures, _numbers(e))
    # Times differ from run to run, so they stand on a page that is no output of the pipeline.
    seconds = tracking.training_seconds(list(table.studies))
    write_atomic(paths.LOCAL, page.page(table, evaluations, drawn, claims, seconds).encode())
    print(f"report: {paths.INDEX}")
