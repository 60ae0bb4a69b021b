"""Stage `report`: one page, its figures, and all metrics in one file."""

from unrolled import errors, params, paths
from unrolled.datasets.files import write_atomic, write_json
from unrolled.figures._base import Evaluation, style
from unrolled.report import published, render, verdicts
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
    table = params.load()
    evaluations, theory = render.read(table), render.read_theory()
    with style():
        drawn = render.draw(evaluations, theory)
    claims = verdicts.of_all(evaluations, theory)
    render.write_figures(drawn)
    write_atomic(paths.INDEX, render.page(table, evaluations, drawn, claims, seconds={}).encode())
    write_json(paths.CLAIMS, claims)
    write_json(paths.PUBLISHED, published.compare(evaluations))
    write_json(paths.METRICS, {e.name: e.metrics for e in evaluations})
    for e in evaluations:
        figures = [paths.FIGURES / f"{e.name}-{name}.svg" for name in drawn[e.name]]
        tracking.log_figures(e.name, figures, _numbers(e))
    # Times differ from run to run, so they stand on a page that is no output of the pipeline.
    seconds = tracking.training_seconds(list(table.studies))
    write_atomic(paths.LOCAL, render.page(table, evaluations, drawn, claims, seconds).encode())
    print(f"report: {paths.INDEX}")
