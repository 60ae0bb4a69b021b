"""The findings, in words, with every number filled in from the results."""

from unrolled.report.findings import dynamics, scores
from unrolled.report.results import Evaluation

SENTENCES = (
    scores.ranking,
    scores.choices,
    scores.test_sets,
    dynamics.recall,
    dynamics.closed_loop,
    dynamics.memory,
    dynamics.tolerance,
    scores.planned,
    dynamics.floor,
    dynamics.recurrence,
    scores.edges,
)


def of_study(study: Evaluation) -> list[str]:
    """Return what one study means, as sentences."""
    return [text for say in SENTENCES if (text := say(study))]
