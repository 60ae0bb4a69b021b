"""What others have published, beside what was measured here: in the default run, and by the published protocols."""

from statistics import median
from typing import Any

from unrolled.report.results import FIRST, Evaluation, ends
from unrolled.report.words import number

NOT_RUN = "not run"
SAME = 1.02
"""The factor below which a difference of the scores is not spoken of: that of rounding, and of 50 samples."""
WITHIN, AS_GOOD = "within our interval", f"as good, to {SAME - 1:.0%}"


def compare(studies: list[Evaluation]) -> list[dict[str, Any]]:
    """Return each published value with ours, its interval and a verdict; those of absent studies are left out.

    Both are of the same score, in its `unit` here. An entry has `study`, `method`, `value`, `source`, `differs`;
    `test` where it is held against another test set than the first, `model` where it is another than the method's
    name says, `verdict` where the numbers cannot be compared.
    """
    rows = []
    for study in studies:
        for entry in study.published:
            test = entry.get("test", FIRST)
            known = entry["method"] in study.methods and test in study.test_sets
            if not known or study.on(entry["method"], test)["score"] is None:
                continue
            ours, best = study.on(entry["method"], test), study.best or entry["method"]
            rows.append(
                entry
                | {
                    "score": study.metrics["score"],
                    "unit": study.test_sets[test]["unit"],
                    "ours": ours["score"],
                    "interval": ours["interval"],
                    "protocol": "other",
                }
                | {"verdict": entry.get("verdict") or verdict(entry["value"], ours, study.higher)}
                | {"best_here": best, "best_score": study.on(best, test)["score"]}
            )
    return rows


def followed(entries: list[dict[str, Any]], records: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each published value whose protocol a row of `literature.yaml` follows, with ours from the records.

    An entry has `record`, the study there, `method`, `value`, `source` and `followed`, what was; `test` where it is
    another test set than the first; `statistic` over the seeds: by default the headline, else `median` or `best`;
    `differs` where anything is known to, and only then its `protocol` is not "same". Without a record it is "not run".
    """
    rows = []
    for entry in entries:
        row = entry | {"study": entry["record"], "protocol": "other" if "differs" in entry else "same"}
        record, test = records.get(entry["record"]), entry.get("test", FIRST)
        if record is None or entry["method"] not in record["methods"]:
            rows.append(row | {"ours": None, "interval": None, "verdict": NOT_RUN})
            continue
        method = record["methods"][entry["method"]]
        ours = _over_seeds(method if test == FIRST else method["tests"][test], entry.get("statistic"), record["better"])
        label = record["test_label"] if test == FIRST else record["tests"][test]["label"]
        about = {key: record[key] for key in ("score", "unit", "commit", "date")} | {"study_label": record["label"]}
        about |= {"label": method["label"], "family": method["family"], "fit_seconds": method["fit_seconds"]}
        said = verdict(entry["value"], ours, record["better"] == "higher")
        rows.append(row | about | {"ours": ours["score"], "interval": ours["interval"], "verdict": said, "on": label})
    return rows


def _over_seeds(measured: dict[str, Any], statistic: str | None, better: str) -> dict[str, Any]:
    """Return score and interval: the headline, or the median or the best of the seeds."""
    if statistic is None:
        return measured
    seeds = sorted(each for each in measured["seeds"] if each is not None)
    nothing = {"low": None, "high": None, "kind": f"{statistic} of {len(seeds)} seeds", "coverage": None}
    if statistic == "best":
        return {"score": seeds[0 if better == "lower" else -1], "interval": nothing | {"n": len(seeds)}}
    from scipy.stats import binom  # here, because its import takes longer than all else that a page needs

    middle = float(f"{median(seeds):.6g}")
    low = int(binom.ppf(0.025, len(seeds), 0.5)) - 1  # so many order statistics lie beyond either end
    if low < 0:
        return {"score": middle, "interval": nothing | {"n": len(seeds)}}
    coverage = round(1 - 2 * float(binom.cdf(low, len(seeds), 0.5)), 3)
    within = {"low": seeds[low], "high": seeds[-1 - low], "kind": "order statistics about the median"}
    return {"score": middle, "interval": within | {"coverage": coverage, "n": len(seeds)}}


def verdict(value: float, ours: dict[str, Any], higher: bool) -> str:
    """Say whether ours is better, worse, or as good within its interval."""
    low, high = ends(ours)
    if low <= value <= high:
        return WITHIN
    worse = high < value if higher else low > value
    nearest = high if worse == higher else low
    factor = max(nearest / value, value / nearest) if min(nearest, value) > 0 else float("inf")
    score = ours["score"]
    if score > 0 and max(score / value, value / score) < SAME:
        return AS_GOOD
    return f"ours is {'worse' if worse else 'better'}, by a factor of {number(factor)} at least"


def compares(row: dict[str, Any]) -> bool:
    """Return whether ours can be held against a published value: a row of `compare`."""
    return "not comparable" not in row["verdict"]
