"""The findings, in words, with every number filled in from the results."""

from functools import partial

from unrolled.errors import Fault, attempt
from unrolled.report.findings import dynamics, scores
from unrolled.report.results import Evaluation

SENTENCES = (
    scores.ranking,
    scores.choices,
    scores.test_sets,
    dynamics.recall,
    dynamics.chance,
    dynamics.closed_loop,
    dynamics.memory,
    dynamics.tolerance,
    scores.planned,
    dynamics.floor,
    dynamics.recurrence,
    scores.edges,
)


def of_study(study: Evaluation) -> list[str]:
    """Return what one study means, as sentences; of one that cannot be said, why."""
    found = [(say.__name__, attempt(partial(say, study))) for say in SENTENCES]
    return [f"No word on {name}: {text}." if isinstance(text, Fault) else text for name, text in found if text]
