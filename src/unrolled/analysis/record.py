"""Records of the published study: what came of one method on one study, in one small file.

From records alone statistics, claims and the page are made again, whatever the code of that day. A record is a ZIP
archive: `record.json` (the numbers, the rows that were asked for, commit, versions, cost), `scores.npz` (errors by seed
and test sequence), `model.npz` (the median seed as a `Predictor`), and the tables of the figures as CSV.
"""

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from unrolled import paths, registry
from unrolled.analysis import table_file
from unrolled.analysis.evaluate import Evaluated, choose, evaluate, rank
from unrolled.analysis.headline import sequence_variances
from unrolled.analysis.score import Score
from unrolled.config import Experiment
from unrolled.data.task import Data
from unrolled.errors import UnrolledError
from unrolled.files import write_atomic
from unrolled.training import results
from unrolled.training.predictor import Predictor
from unrolled.training.runs import Array, Run

POINTS = 200
"""Most points of a learning curve."""
GROUPS = 500
"""Most columns of the errors by test sequence; of more sequences, means of neighbours."""
TRUTH = "truth"
DATE = (2000, 1, 1, 0, 0, 0)
"""Of every file in the archive, so that the same content makes the same bytes."""


def path_of(folder: Path, study: str, method: str) -> Path:
    """Return where the record of a method on a study lies."""
    return folder / study / f"{method}.zip"


def make(each: Evaluated, data: Data, about: dict[str, Any]) -> bytes:
    """Return the record of one evaluated method.

    Parameters
    ----------
    each : Evaluated
    data : Data
        Of the study, before the method's choice of columns.
    about : dict
        Commit, versions, processor, seconds and date.

    Raises
    ------
    UnrolledError
        If it cannot be evaluated.
    """
    run, result = each.run, each.result
    metrics, tables = evaluate([each], data)
    test, predicted = data.tests[each.score.test], result.predictions[each.score.test]
    scores = {
        "seeds": result.seeds[result.chosen],
        "errors": _in_groups(each.score.errors(predicted, test)),
        # The jackknife sees differences only, which float32 keeps well once the mean is gone.
        **({} if (left := each.left_out) is None else {"left_out": (left - left.mean()).astype(np.float32)}),
    }
    numbers = {
        "study": run.study,
        "method": run.name,
        "asked": asked(run),
        "experiment": run.experiment.model_copy(update={"methods": {run.name: run.method}, "absent": {}}).model_dump(),
        "metrics": metrics,
        **about,
    }
    files = {"record.json": json.dumps(numbers, indent=1, ensure_ascii=False, allow_nan=False).encode()}
    files["scores.npz"] = _arrays(scores)
    replica = int(result.chosen[each.typical])
    if np.isfinite(result.theta[replica]).all():
        model = io.BytesIO()
        Predictor.of(run, result, data, replica).save(model)
        files["model.npz"] = model.getvalue()
    tables["curves"] = _thinned(tables["curves"])
    files |= {f"{name}.csv": table_file.csv(table) for name, table in tables.items()}
    return _zipped(files)


def asked(run: Run) -> dict[str, Any]:
    """Return the rows of a run on which its result depends, as a record keeps them."""
    found: dict[str, Any] = json.loads(json.dumps(results.asked(run)))
    return found


def _in_groups(errors: Array) -> Array:
    """Return errors (S, N) by test sequence, of very many the means of groups of neighbours."""
    groups = np.array_split(np.arange(errors.shape[1]), min(errors.shape[1], GROUPS))
    return np.stack([errors[:, group].mean(axis=1) for group in groups], axis=1).astype(np.float32)


def _arrays(arrays: dict[str, Array]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _thinned(curves: pd.DataFrame) -> pd.DataFrame:
    """Return learning curves with at most `POINTS` epochs, the first and the last among them."""
    if curves.empty:
        return curves
    kept = np.unique(np.linspace(1, curves["epoch"].max(), POINTS).round().astype(int))
    return curves[curves["epoch"].isin(kept)]


@dataclass(frozen=True)
class Record:
    """A record as read: its numbers, the other files opened when they are asked for."""

    path: Path
    numbers: dict[str, Any]

    @property
    def study(self) -> str:
        """The study's name."""
        return str(self.numbers["study"])

    @property
    def method(self) -> str:
        """The method's name."""
        return str(self.numbers["method"])

    @property
    def row(self) -> dict[str, Any]:
        """The method's numbers, as in metrics.json but for what depends on other methods."""
        found: dict[str, Any] = self.numbers["metrics"]["methods"][self.method]
        return found

    @cached_property
    def left_out(self) -> Array | None:
        """The mean log score with each block of test sequences left out, less the mean of these."""
        with np.load(io.BytesIO(_file(self.path, "scores.npz")), allow_pickle=False) as archive:
            return archive.get("left_out")

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables of the figures by name."""
        with zipfile.ZipFile(self.path) as archive:
            names = [each for each in archive.namelist() if each.endswith(".csv")]
            return {name.removesuffix(".csv"): table_file.read(archive.open(name)) for name in names}

    @property
    def has_model(self) -> bool:
        """Whether the median seed has finite weights."""
        with zipfile.ZipFile(self.path) as archive:
            return "model.npz" in archive.namelist()

    def predictor(self) -> Predictor:
        """Return the median seed's model.

        Raises
        ------
        UnrolledError
            If it diverged, so that there is none.
        """
        if not self.has_model:
            raise UnrolledError(f"{self.method} on '{self.study}' diverged: it has no model")
        return Predictor.load(io.BytesIO(_file(self.path, "model.npz")))


def _file(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def read(path: Path) -> Record:
    """Read a record.

    Raises
    ------
    UnrolledError
        If the file is damaged or is none.
    """
    try:
        return Record(path, json.loads(_file(path, "record.json")))
    except FileNotFoundError:
        raise UnrolledError(f"{path} is missing: git checkout it, or run `make full`") from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise UnrolledError(f"{path} is damaged: git checkout it, or delete it and run `make full`") from None


def read_all(folder: Path) -> dict[str, dict[str, Record]]:
    """Return all records in a folder by study and method; errors as in `read`."""
    found: dict[str, dict[str, Record]] = {}
    for path in sorted(folder.glob("*/*.zip")):
        record = read(path)
        found.setdefault(record.study, {})[record.method] = record
    return found


def published(study: str, method: str | None = None, folder: Path = paths.RECORDS) -> Record:
    """Return the published record of a method on a study, by default of the one that validation chose.

    Raises
    ------
    UnrolledError
        If there is none of that name, or the file is damaged.
    """
    known = {path.stem: path for path in sorted((folder / study).glob("*.zip"))}
    if not known:
        studies = sorted({path.parent.name for path in folder.glob("*/*.zip")})
        if not studies:
            raise UnrolledError(f"{folder} holds no record: git checkout it, or run `make full`")
        raise registry.unknown("published study", study, studies)
    if method is not None and method not in known:
        raise registry.unknown(f"published method of study '{study}'", method, list(known))
    if method is not None:
        return read(known[method])
    found = [read(path) for path in known.values()]
    rows = _judged(found)
    best = next((each for each in found if rows[each.method]["chosen_by_validation"]), None)
    if best is None:
        raise UnrolledError(f"no published method of study '{study}' has a score")
    return best


def kept(run: Run, folder: Path) -> bool:
    """Return whether a run has a record of the same rows, whatever code trained it."""
    path = path_of(folder, run.study, run.name)
    return path.exists() and read(path).numbers["asked"] == asked(run)


def write(folder: Path, each: Evaluated, data: Data, about: dict[str, Any]) -> Path:
    """Write the record of one evaluated method, and return its path."""
    path = path_of(folder, each.run.study, each.run.name)
    write_atomic(path, make(each, data, about))
    return path


def _judged(records: list[Record]) -> dict[str, dict[str, Any]]:
    """Return the numbers of each method of a study, with their ranks and the choice of validation."""
    rows = {record.method: dict(record.row) for record in records}
    score: Score = registry.make("scores", records[0].numbers["metrics"]["score"])
    rank(rows, -1.0 if score.higher_is_better else 1.0)
    choose(rows)
    return rows


def joined(records: list[Record]) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return a study's part of `metrics.json` and the tables of its figures from the records of its methods."""
    study, rows = dict[str, Any](), _judged(records)
    for record in reversed(records):  # what only one method brings is kept, of what all have the first
        study |= {key: value for key, value in record.numbers["metrics"].items() if key != "methods"}
    if study["reference"] not in rows:
        study["reference"] = None
    study["sequences"] = sequence_variances({record.method: record.left_out for record in records})
    parts = [record.tables() for record in records]
    return study | {"methods": rows}, {name: _stacked([part[name] for part in parts]) for name in parts[0]}


def _stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all methods, with those of the truth, or of the data, once."""
    if "method" not in tables[0]:
        return tables[0]
    later = [table[table["method"] != TRUTH] for table in tables[1:]]
    filled = [each for each in (tables[0], *later) if len(each)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def experiment(records: list[Record]) -> Experiment:
    """Return the experiment of the records of one study, all methods in it."""
    methods = {record.method: record.numbers["experiment"]["methods"][record.method] for record in records}
    return Experiment.model_validate(records[0].numbers["experiment"] | {"methods": methods})
