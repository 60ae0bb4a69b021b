"""The covering table: few pairs of a study and a method in which everything that the whole table uses appears.

It is found, not listed: what `params.yaml` begins to use, be it a system, a cell, an optimiser or a key, is in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up
from unrolled import config, registry
from unrolled.analysis.claim import Evidence
from unrolled.config import Experiment
from unrolled.training.experiments import resolve
from unrolled.training.runs import Run

Pair = tuple[str, str]
"""A study and one of its methods."""
CORE = ("rnn", "lstm", "gru", "linear")
"""What the first study always has."""
LONG = 10**6
"""Updates of a training that no claim finds too short."""


def experiments(path: Path) -> dict[str, Experiment]:
    """Return the resolved studies of a table."""
    table = config.load(path)
    return {name: resolve(table, name) for name in table.studies}


def pairs_of(studies: dict[str, Experiment]) -> list[Pair]:
    """Return all pairs."""
    return [(name, method) for name, own in studies.items() for method in own.methods]


def covering(path: Path) -> list[Pair]:
    """Return the pairs of a table that are left when each is taken out without which nothing is missing.

    Whole studies go first, from the last; then single pairs, those that stand last in their study first, so that what
    is left is spread over the studies.
    """
    studies = experiments(path)
    kept = pairs_of(studies)
    everything = uses(studies, kept)
    core = {(next(iter(studies)), method) for method in CORE}
    whole = [{pair for pair in kept if pair[0] == name} for name in reversed(studies)]
    place = {(name, method): n for name, own in studies.items() for n, method in enumerate(own.methods)}
    single = [{pair} for pair in sorted(kept, key=lambda pair: place[pair], reverse=True)]
    for some in [*whole, *single]:
        rest = [pair for pair in kept if pair not in some]
        if not some & core and uses(studies, rest) == everything:
            kept = rest
    return kept


def uses(studies: dict[str, Experiment], pairs: Iterable[Pair]) -> set[tuple[str, ...]]:
    """Return what some pairs use: items, keys of the rows, columns, options; and the claims that they decide."""
    found = {each for name, method in pairs for each in _of_pair(studies[name], method)}
    return found | {("claim", each) for each in _decided(studies, pairs)}


def _of_pair(study: Experiment, method: str) -> Iterator[tuple[str, ...]]:
    data, row = study.data, study.methods[method]
    yield ("system", data.system) if data.system else ("record", data.record.source if data.record else "")
    yield from [("task", data.task), ("score", study.score), ("schedule", study.fit.schedule)]
    yield from (("setting", data.task, key) for key in data.settings)
    yield from [("cell", row.cell), ("initialiser", row.initialiser), ("optimiser", row.optimiser)]
    yield from (("key", key) for key in row.model_dump(exclude_defaults=True))
    for key, values in {"option": row.options, "inputs": row.inputs or (), "requires": row.requires}.items():
        yield from ((key, value) for value in values)


def _decided(studies: dict[str, Experiment], pairs: Iterable[Pair]) -> Iterator[str]:
    """Yield the claims that find in made-up numbers of these pairs what they need."""
    found: dict[str, dict[str, Any]] = {}
    for name, method in pairs:
        own = found.setdefault(name, {"better": "lower", "lyapunov": None, "methods": {}})
        run = Run(studies[name], method)
        own |= run.task.describe(studies[name].data)
        clips = [*(run.method.clip_norm or ()), *(run.method.clip_value or ()), None]
        about = {"clip": clips[0], "recurrent": registry.load("cells", run.method.cell).recurrent}
        about |= {key: getattr(run.method, key) for key in ("cell", "initialiser", "optimiser")}
        about |= {"updates": LONG, "extras": {"solved": 0.0}}
        own["methods"][method] = made_up.row(method, 1.0, 1, trains=run.optimiser.trains, **about)
    evidence = Evidence(found, {})  # type: ignore[typeddict-item]
    for claim in registry.names("claims"):
        item = registry.load("claims", claim)()
        compared = {pair: {"one": pair.one, "other": pair.other, "p": None} for pair in item.pairs(evidence)}
        try:
            numbers = item.measure(replace(evidence, compared=compared))
        except KeyError:  # random networks decide it
            continue
        if numbers is not None:
            yield claim
