"""`python -m unrolled.report.closing`: what came of a run, in five lines, where the page is, and where the time went.

The lines come from the files that the stages write, so that they are the same whatever DVC has skipped.
"""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from unrolled import config, errors, files, lifetime, paths, progress
from unrolled.analysis.comparison import solver
from unrolled.data import store
from unrolled.progress import Record
from unrolled.report.words import listed, number

REMEDY = "run `dvc repro`"
MOST = 3
"""How many methods a line names."""


@dataclass(frozen=True)
class Study:
    """What is read of one study.

    Attributes
    ----------
    scores : dict of float
        By the method's label, best first.
    best : str or None
        The label of the method that counts as the study's best.
    recall : dict or None
        How many `steps`, where it asks for a memory.
    solvers : list of str
        The labels of the methods that have it: enough of their seeds recall.
    faults : list of str
        The labels of the methods that could not be evaluated.
    """

    label: str
    scores: dict[str, float]
    best: str | None
    what: str
    unit: str
    chaotic: bool
    recall: dict[str, float] | None
    solvers: list[str]
    faults: list[str]
    diverged: int
    trained: int


def read(found: dict[str, Any]) -> Study:
    """Return what is read of one study of metrics.json; nothing else here knows its form."""
    rows = found["methods"].values()
    ranked = sorted((row for row in rows if row["rank"]), key=lambda row: row["rank"])
    return Study(
        label=found["label"],
        scores={row["label"]: row["score"] for row in ranked},
        best=next((row["label"] for row in ranked if row["chosen_by_validation"]), None),
        what=found["score_label"],
        unit=found["unit"],
        chaotic=found["lyapunov"] is not None and found["closed_loop"],
        recall=found.get("recall"),
        solvers=[row["label"] for row in ranked if "recall" in found and solver(row)],
        faults=[row["label"] for row in rows if "fault" in row],
        diverged=sum(row["diverged"] for row in rows),
        trained=sum(row["trained"] for row in rows),
    )


def findings(metrics: dict[str, Any], claims: list[dict[str, Any]], absent: dict[str, str]) -> list[str]:
    """Return the five lines, of what the two files hold, and of the studies that have not run, with the reason."""
    studies = [read(found) for found in metrics.values()]
    return [
        f"best      {winners(studies)}",
        f"memory    {memory(studies)}",
        f"chaos     {chaos(studies)}",
        f"claims    {verdicts(claims)}",
        f"complete  {complete(studies, absent)}",
    ]


def winners(studies: list[Study]) -> str:
    """Say which methods are best on how many studies."""
    first = Counter(study.best for study in studies if study.best)
    if not first:
        return "no study was evaluated"
    named = "; ".join(f"{label} on {count}" for label, count in first.most_common(MOST))
    others = sum(count for _, count in first.most_common()[MOST:])
    rest = f"; others on {others}" if others else ""
    return f"of {sum(first.values())} studies, chosen by validation: {named}{rest}"


def memory(studies: list[Study]) -> str:
    """Say over how many steps two values were recalled, and by which methods."""
    asked = [(study.recall, study.solvers) for study in studies if study.recall]
    for about, able in sorted(asked, key=lambda each: -each[0]["steps"]):
        if able:
            more = f", and {len(able) - MOST} more" if len(able) > MOST else ""
            return f"recalled over {about['steps']} steps at most, by {listed(able[:MOST])}{more}"
    return "nothing was recalled" if asked else "no study asks for a memory"


def chaos(studies: list[Study]) -> str:
    """Say which method forecasts chaos best in closed loop."""
    chaotic = [(study, study.best) for study in studies if study.chaotic and study.best]
    said = [f"{study.label}: {best}, {study.what} {number(study.scores[best])} {study.unit}" for study, best in chaotic]
    return "; ".join(said) or "no study of chaos was evaluated"


def verdicts(claims: list[dict[str, Any]]) -> str:
    """Say how many claims have which verdict."""
    counts = Counter(claim["verdict"] for claim in claims)
    return f"of {len(claims)}: {', '.join(f'{verdict} {count}' for verdict, count in counts.most_common())}"


def complete(studies: list[Study], absent: dict[str, str]) -> str:
    """Say what has not run, and what has diverged."""
    diverged, trained = sum(study.diverged for study in studies), sum(study.trained for study in studies)
    where = [study.label for study in studies if study.diverged]
    networks = f"{diverged} of {trained} networks diverged" + (f" ({listed(where)})" if where else "")
    missing = [f"{name} has not run: {reason}" for name, reason in absent.items()]
    missing += [f"{study.label}: {listed(study.faults)} not evaluated" for study in studies if study.faults]
    return "; ".join([*(missing or ["every study has run"]), networks])


def accounts(record: Record, now: float) -> list[str]:
    """Return where the time of a run went: in all, and by stage; nothing if no stage of it had anything to do."""
    if not record.spent:
        return []
    wall, cores = now - record.run, record.cores.get("train", 1)
    parts: dict[str, float] = {}
    for name, seconds in record.spent.items():
        stage = progress.name_of(name)
        parts[stage] = parts.get(stage, 0.0) + seconds
    compiling = {stage: seconds / record.cores.get(stage, 1) for stage, seconds in record.compiling.items()}
    for stage, seconds in compiling.items():
        parts[stage] = parts.get(stage, 0.0) - seconds
    fits = record.fits / cores
    if "train" in parts:
        parts["train beside the fits"] = parts.pop("train") - fits
    parts["DVC and imports"] = wall - sum(record.spent.values())
    each = ", ".join(f"{stage.replace('_', ' ')} {max(seconds, 0.0):.0f} s" for stage, seconds in parts.items())
    trained = f"fits {fits:.0f} s ({record.fits:.0f} core-seconds on {cores} core{'s' * (cores > 1)})"
    rest = wall - fits - sum(compiling.values())
    return [
        f"time      {wall:.0f} s: {trained}, compiling kernels {sum(compiling.values()):.0f} s, all else {rest:.0f} s",
        f"all else  {each}",
    ]


def not_run(metrics: dict[str, Any]) -> dict[str, str]:
    """Return the studies of the table that are not in metrics.json, with the reason."""
    found = {}
    for name in config.studies():
        if name not in metrics:
            known = store.facts(name)
            found[name] = str(known.get("not_run", "not yet evaluated"))
    return found


@errors.one_line
def main() -> None:
    """Print what came of the run."""
    metrics, claims = files.read_json(paths.METRICS, REMEDY), files.read_json(paths.CLAIMS, REMEDY)
    absent, time_spent = not_run(metrics), accounts(progress.read(), time.time())
    try:
        lines = [*findings(metrics, claims, absent), *time_spent]
    except (KeyError, TypeError, AttributeError):
        raise errors.UnrolledError(f"{paths.METRICS} or {paths.CLAIMS} is damaged: {REMEDY}") from None
    where = [f"report    {paths.INDEX.resolve()}", "MLflow    make ui, then open http://127.0.0.1:5000"]
    print("\n".join(["", *lines, *where]))


if __name__ == "__main__":
    lifetime.begin("unrolled.report.closing")
    main()
