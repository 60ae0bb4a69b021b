"""The lecture's claims, each with the verdict that its numbers give."""

from typing import Any

from unrolled import registry
from unrolled.analysis.claim import Evidence, assess
from unrolled.report.style import Evaluation, Theory


def of_all(evaluations: list[Evaluation], theory: Theory) -> list[dict[str, Any]]:
    """Return what claims.json says of every claim item, by number."""
    evidence = Evidence({e.name: e.metrics for e in evaluations}, theory.numbers)
    items = [registry.load("claims", name) for name in registry.names("claims")]
    return [assess(item, evidence) for item in sorted(items, key=lambda item: item.NUMBER)]
