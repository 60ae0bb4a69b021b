"""The lecture's claims, each with the verdict that its numbers give."""

from typing import Any

from unrolled import discover
from unrolled.claims._base import Evidence, assess
from unrolled.figures._base import Evaluation, Theory


def of_all(evaluations: list[Evaluation], theory: Theory) -> list[dict[str, Any]]:
    """Return what claims.json says of every claim item, by number."""
    evidence = Evidence({e.name: e.metrics for e in evaluations}, theory.numbers)
    items = [discover.load("claims", name) for name in discover.names("claims")]
    return [assess(item, evidence) for item in sorted(items, key=lambda item: item.NUMBER)]
