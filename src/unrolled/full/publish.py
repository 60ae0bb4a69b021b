"""`make publish`: from records alone, the published study in `reports/full`: page, figures, numbers, experiments.

The records are those that `make full` has left, of whichever code. Studies on other data stand beside their first ones,
and what `make literature` measured by published protocols beside the values published.
"""

from dataclasses import replace
from functools import reduce
from typing import Any

import pandas as pd

from unrolled import errors, lifetime, paths, yaml_file
from unrolled.analysis import record
from unrolled.analysis.record import Record
from unrolled.analysis.spread import spread
from unrolled.config import Experiment, Table
from unrolled.errors import UnrolledError
from unrolled.files import write_json
from unrolled.full.project import AGAIN, BEYOND, CHANGES, merged
from unrolled.report import results
from unrolled.report.compose import Comparison
from unrolled.training.experiments import resolve

EXPERIMENTS, SPREAD = "experiments", "spread.json"


def order() -> tuple[list[str], list[str]]:
    """Return the studies and the methods of the full table in its order."""
    table = reduce(merged, [yaml_file.read(path) for path in (paths.PARAMS, CHANGES, BEYOND) if path.exists()])
    return list(table["studies"]), list(table["methods"])


def ordered(found: dict[str, dict[str, Record]]) -> dict[str, list[Record]]:
    """Return the records as the table orders them; what it no longer names stands last."""
    studies, methods = order()
    places = {name: place for place, name in enumerate(methods)}
    names = sorted(found, key=lambda name: studies.index(name) if name in studies else len(studies))
    return {name: sorted(found[name].values(), key=lambda each: places.get(each.method, len(places))) for name in names}


def ledger(records: dict[str, list[Record]]) -> dict[str, Any]:
    """Return which record is of which commit, day, machine and versions, and the core-hours of all."""
    every = [each for own in records.values() for each in own]
    seconds = [each.numbers["seconds"] or 0.0 for each in every]
    return {
        "records": len(every),
        "lacking": lacking(records),
        "core_hours": round(sum(seconds) / 3600, 2),
        "processors": sorted({each.numbers["processor"] for each in every}),
        "versions": [dict(pair) for pair in dict.fromkeys(tuple(each.numbers["versions"].items()) for each in every)],
        "training_code": sorted({each.numbers["commit"] for each in every}),
        "studies": {
            name: {
                each.method: {key: each.numbers[key] for key in ("commit", "date", "seconds", "code")} for each in own
            }
            for name, own in records.items()
        },
    }


def _spread(name: str, joined: dict[str, Any], records: dict[str, list[Record]]) -> dict[str, Any] | None:
    """Return how a study's scores spread over data and weights, where it was made again on other data."""
    again = records.get(f"{name}_{AGAIN}")
    return None if again is None else spread(joined[name][0], record.joined(again)[0])


def lacking(records: dict[str, list[Record]]) -> list[str]:
    """Return which methods on which studies of the published study have no record yet."""
    table = Table.model_validate(merged(yaml_file.read(paths.PARAMS), yaml_file.read(CHANGES)))
    there = {(name, each.method) for name, own in records.items() for each in own}
    wanted = [(name, method) for name in table.studies for method in resolve(table, name).methods]
    return [f"{name} {method}" for name, method in wanted if (name, method) not in there]


@errors.one_line
def main() -> None:
    """Make the published study."""
    lifetime.begin("unrolled.full.publish")
    records = ordered(record.read_all(paths.RECORDS))
    if not records:
        raise UnrolledError(f"{paths.RECORDS} holds no record: run `make full`")
    experiments: dict[str, Experiment] = {name: record.experiment(own) for name, own in records.items()}
    joined: dict[str, tuple[dict[str, Any], dict[str, pd.DataFrame]]] = {
        name: record.joined(own) for name, own in records.items() if not name.endswith(f"_{AGAIN}")
    }
    rows = {name: experiments[name].model_dump() for name in joined}
    shown = replace(results.of(joined, results.random_networks()), literature=results.records())
    whole = Comparison.of(shown, rows)
    spreads = {name: found for name in joined if (found := _spread(name, joined, records)) is not None}
    origin = ledger(records)
    drawn = whole.write(paths.FULL, spreads=spreads, origin=origin)
    write_json(paths.FULL / SPREAD, spreads)
    for name, own in experiments.items():
        write_json(paths.FULL / EXPERIMENTS / f"{name}.json", own.model_dump(exclude={"absent"}, exclude_defaults=True))
    write_json(paths.LEDGER, origin)
    for each in drawn:
        if each.fault:
            print(f"publish: the figure {each.stem} could not be drawn: {each.fault}")
    size = sum(path.stat().st_size for path in paths.FULL.rglob("*") if path.is_file()) / 1e6
    print(f"publish: {sum(map(len, records.values()))} records, {size:.1f} MB: {paths.FULL / 'index.html'}")


if __name__ == "__main__":
    main()
