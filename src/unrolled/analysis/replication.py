"""Two runs of the same pipeline: which verdicts, winners and scores agree, and by how much the others differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.analysis.claim import DECIDED
from unrolled.analysis.statistics import REGION
from unrolled.errors import UnrolledError
from unrolled.files import read_json

Studies = dict[str, dict[str, Any]]
"""As in metrics.json."""
Claims = list[dict[str, Any]]
"""As in claims.json."""


@dataclass(frozen=True)
class Agreement:
    """One thing that both runs say: a verdict, a winner or a score.

    `ratio` is of scores, the larger over the smaller; `agrees` for a score within the region of practical equivalence.
    """

    kind: str
    what: str
    first: str
    second: str
    agrees: bool
    contradicts: bool = False
    ratio: float | None = None


@dataclass(frozen=True)
class Replication:
    """What both runs say, and what one of them lacks."""

    found: list[Agreement]
    missing: list[str]

    def of(self, kind: str) -> list[Agreement]:
        """Return the agreements of a kind: verdict, winner or score."""
        return [each for each in self.found if each.kind == kind]

    @property
    def differing(self) -> list[Agreement]:
        """What the two runs say differently."""
        return [each for each in self.found if not each.agrees]

    @property
    def contradictions(self) -> list[Agreement]:
        """The verdicts on which both runs decide, and differently."""
        return [each for each in self.found if each.contradicts]


def read(place: Path) -> tuple[Studies, Claims]:
    """Return the metrics and the claims of a run, from its folder, its folder `reports`, or its `metrics.json`.

    Raises
    ------
    UnrolledError
        If there are none, or a file is damaged.
    """
    folder = place.parent if place.name == "metrics.json" else place
    folder = folder if (folder / "metrics.json").exists() else folder / "reports"
    remedy = "give a folder with metrics.json and claims.json, as `make repro` writes them"
    metrics, claims = (read_json(folder / name, remedy) for name in ("metrics.json", "claims.json"))
    try:
        replication((metrics, claims), (metrics, claims))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UnrolledError(
            f"{folder}: metrics.json or claims.json is damaged, or of an older version: {remedy}"
        ) from None
    return metrics, claims


def replication(one: tuple[Studies, Claims], other: tuple[Studies, Claims]) -> Replication:
    """Compare two runs, each its metrics and claims."""
    found = [*_verdicts(one[1], other[1])]
    missing = _absent("claim", {str(c["number"]) for c in one[1]}, {str(c["number"]) for c in other[1]})
    missing += _absent("study", set(one[0]), set(other[0]))
    for name in (study for study in one[0] if study in other[0]):
        rows, others = (studies[name].get("methods", {}) for studies in (one[0], other[0]))
        missing += _absent(f"{name}: method", set(rows), set(others))
        found += [*_winner(name, rows, others), *_scores(name, rows, others)]
    return Replication(found, missing)


def _verdicts(one: Claims, other: Claims) -> Iterator[Agreement]:
    theirs = {claim["number"]: claim["verdict"] for claim in other}
    for claim in one:
        if claim["number"] in theirs:
            first, second = claim["verdict"], theirs[claim["number"]]
            both = first in DECIDED and second in DECIDED
            yield Agreement(
                "verdict", f"claim {claim['number']}", first, second, first == second, both and first != second
            )


def _winner(study: str, rows: dict[str, Any], others: dict[str, Any]) -> Iterator[Agreement]:
    """Yield the methods that validation chooses."""
    first, second = (
        next((name for name, row in each.items() if row["chosen_by_validation"]), None) for each in (rows, others)
    )
    if first is not None and second is not None:
        yield Agreement("winner", study, first, second, first == second)


def _scores(study: str, rows: dict[str, Any], others: dict[str, Any]) -> Iterator[Agreement]:
    for name, row in rows.items():
        if name not in others:
            continue
        scores = [row["score"], others[name]["score"]]
        first, second = ("diverged" if score is None else f"{score:.4g}" for score in scores)
        ratio = None if None in scores or min(scores) <= 0 else float(max(scores) / min(scores))
        agrees = scores[0] == scores[1] or (ratio is not None and ratio <= REGION)
        yield Agreement("score", f"{study}: {name}", first, second, agrees, ratio=ratio)


def _absent(what: str, one: set[str], other: set[str]) -> list[str]:
    only = [(name, "second") for name in one - other] + [(name, "first") for name in other - one]
    return [f"{what} {name} is not in the {side} run" for name, side in sorted(only)]


def counts(result: Replication) -> list[str]:
    """Return how many verdicts, winners and scores agree, and how many decided verdicts contradict each other."""
    said = []
    for kind, unit in (("verdict", ""), ("winner", " by validation"), ("score", f" within a factor of {REGION:g}")):
        own = result.of(kind)
        factors = [each.ratio for each in own if each.ratio is not None]
        typical = f"; geometric mean ratio {np.exp(np.mean(np.log(factors))):.3g}" if factors else ""
        said.append(f"{kind}s: {sum(each.agrees for each in own)} of {len(own)} agree{unit}{typical}")
    return [*said, f"decided verdicts that contradict: {len(result.contradictions)}"]
