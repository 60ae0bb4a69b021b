"""What the report shows: every study as evaluated, and the random networks, read from the folder `reports`."""

import hashlib
import json
import math
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from unrolled import fingerprint, paths
from unrolled.analysis import table_file
from unrolled.analysis.comparison import best_by_validation, passes, solver
from unrolled.files import read_json
from unrolled.report.style import Look, looks
from unrolled.report.words import number

TABLES = ("curves", "forecasts", "data", "growth", "power_spectrum", "gradients")
LONGEST = 60
"""Letters of a label or a unit in a figure."""
EXTREMES = (1e-40, 1e40)
"""Of numbers in a figure."""
FIRST = "test"
"""The test set whose score ranks."""
PLAIN = ("dimensionless", "standard deviations of the truth")
"""Units that say no more than the name of the score."""
PUBLISHED = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Evaluation:
    """One study as evaluated: its numbers (as in metrics.json), its tables, and what others have published on it."""

    name: str
    metrics: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    looks: dict[str, Look] = field(default_factory=dict)
    published: list[dict[str, Any]] = field(default_factory=list)

    @property
    def methods(self) -> dict[str, dict[str, Any]]:
        """The methods' numbers, in the order of the table."""
        rows: dict[str, dict[str, Any]] = self.metrics["methods"]
        return rows

    @property
    def label(self) -> str:
        """The name of the study for people."""
        return str(self.metrics["label"]).strip() or self.name

    @property
    def higher(self) -> bool:
        """Whether a higher score is better."""
        return bool(self.metrics["better"] == "higher")

    @property
    def score(self) -> str:
        """The name of the score with its unit."""
        return f"{self.metrics['score_label']} ({self.metrics['unit']})"

    def in_brief(self, method: str) -> str:
        """Return a method's score where space is short: without what it is taken of, and with a unit that says more."""
        label = re.split(r",? (?:of|in|at) ", self.metrics["score_label"])[0]
        unit = "" if self.metrics["unit"] in PLAIN else f" {self.metrics['unit']}"
        return f"{label} {number(self.methods[method]['score'])}{unit}"

    @property
    def time(self) -> str:
        """The label of a time axis."""
        return f"time ({self.metrics['time_unit']})"

    @property
    def rate(self) -> str:
        """The unit of rates and frequencies."""
        unit = self.metrics["time_unit"]
        return "per unit of time" if unit == "dimensionless" else f"1 / {unit}"

    @property
    def test_sets(self) -> dict[str, dict[str, str]]:
        """The label, the unit and the name of the error on each test set, the one that ranks first."""
        first = {"label": self.metrics["test_label"], "unit": self.metrics["unit"]}
        return {FIRST: first | {"score": self.metrics["score_label"]}} | self.metrics["tests"]

    @property
    def recall_steps(self) -> int:
        """Over how many steps it asks to remember, of a study that does."""
        return int(self.metrics["recall"]["steps"])

    @property
    def solvers(self) -> list[str]:
        """The methods that recall, by test score: enough of their seeds do."""
        return [name for name in self.ranked if solver(self.methods[name])]

    @cached_property
    def digest(self) -> str:
        """A hash of all that is known of the study."""
        looks = {name: str(self.looks[name]) for name in self.methods}
        numbers = {"name": self.name, "metrics": self.metrics, "looks": looks, "published": self.published}
        return _hash(numbers, self.tables)

    def channel(self, name: str) -> str:
        """Return the axis label of an input or output."""
        return f"{plain(name)} ({(self.metrics['inputs'] | self.metrics['outputs'])[name]})"

    def label_of(self, method: str, width: int = 0) -> str:
        """Return the name of a method for people, if a width is given in lines of so many characters."""
        label = str(self.methods[method]["label"]).strip() or method
        return textwrap.fill(label, width) if width else label

    def labels(self, methods: Iterable[str], width: int = 0) -> list[str]:
        """Return the names of methods for people."""
        return [self.label_of(method, width) for method in methods]

    def look(self, method: str) -> Look:
        """Return how a method is drawn."""
        return self.looks[method]

    def on(self, method: str, test: str = FIRST) -> dict[str, Any]:
        """Return the `score` and the `interval` of a method on a test set."""
        row = self.methods[method]
        found: dict[str, Any] = row if test == FIRST else row["tests"][test]
        return found

    def cost(self, method: str) -> float:
        """Return the passes of one replica through the training set, a product with the curvature counted twice."""
        return passes(self.methods[method])

    @cached_property
    def ordered(self) -> list[str]:
        """All methods by test score, best first; those that diverged with every seed stand last."""
        known = [name for name, row in self.methods.items() if row["score"] is not None]
        known.sort(key=lambda name: self.methods[name]["score"], reverse=self.higher)
        return known + [name for name, row in self.methods.items() if row["score"] is None]

    @cached_property
    def ranked(self) -> list[str]:
        """The methods that are trained and have a score, by test score, best first: an exploratory order."""
        return sorted((n for n, row in self.methods.items() if row["rank"]), key=lambda n: self.methods[n]["rank"])

    @cached_property
    def best(self) -> str | None:
        """The method that validation chooses: "best on a study" is its test score; None where none has a score."""
        return next((name for name, row in self.methods.items() if row["chosen_by_validation"]), None)

    @property
    def best_label(self) -> str:
        """The name for people of the method that validation chooses."""
        return "none" if self.best is None else self.label_of(self.best)

    def best_of(self, methods: Iterable[str]) -> str | None:
        """Return the method that validation chooses among some that have a rank, None of none."""
        return best_by_validation({name: self.methods[name] for name in methods if name in self.ranked})

    def lowest_on(self, test: str) -> str | None:
        """Return the trained method with the lowest error on a further test set: an exploratory choice, or None."""
        known = [n for n in self.ranked if self.on(n, test)["score"] is not None]
        return min(known, key=lambda name: self.on(name, test)["score"], default=None)

    def without_score(self, method: str) -> str:
        """Say why a method has no score."""
        return "not evaluated" if "fault" in self.methods[method] else "diverged"


@dataclass(frozen=True)
class RandomNetworks:
    """The experiments on random networks: their numbers and tables; empty where they were not made."""

    numbers: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """A hash of all that is known of them."""
        return _hash(self.numbers, self.tables)


@dataclass(frozen=True)
class Results:
    """All that a page is made from: studies in the order of the table, random networks, and which were not run."""

    studies: list[Evaluation]
    random_networks: RandomNetworks = field(default_factory=RandomNetworks)
    not_run: dict[str, str] = field(default_factory=dict)
    literature: dict[str, dict[str, Any]] | None = None
    """Records of rows that follow published protocols, by study; None where there is no folder of them."""

    @property
    def to_follow(self) -> list[dict[str, Any]]:
        """What others have published whose protocols are followed, where it is to be shown."""
        return [] if self.literature is None else [each for each in published() if "record" in each]

    @cached_property
    def digest(self) -> str:
        """A hash of all that is known."""
        records = _hash({"literature": self.literature, "published": self.to_follow}, {})
        return " ".join([*(study.digest for study in self.studies), self.random_networks.digest, records])


def plain(shown: Any) -> Any:
    """Return what a figure is drawn from as it can be drawn.

    Of texts no $ opens a formula, and none is endless; numbers stay within `EXTREMES`, and what is infinite in a table
    leaves a gap.

    Parameters
    ----------
    shown : Evaluation, Results, DataFrame, or what JSON knows
    """
    if isinstance(shown, str):
        text = shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
        return _escaped(f" {text}" if text.startswith("_") else text)  # a legend would leave it out
    if isinstance(shown, dict):
        return {_escaped(str(key)): plain(value) for key, value in shown.items()}
    if isinstance(shown, list):
        return [plain(each) for each in shown]
    if isinstance(shown, float):
        return _near(shown)
    if isinstance(shown, pd.DataFrame):
        texts = {name: shown[name].map(_escaped) for name in ("output", "channel") if name in shown}
        return shown.assign(**texts, **{str(n): _within(shown[n].to_numpy()) for n in shown.select_dtypes("float")})
    if isinstance(shown, Evaluation):
        return replace(shown, **{key: plain(getattr(shown, key)) for key in ("metrics", "published", "tables")})
    if isinstance(shown, Results):
        return replace(shown, studies=plain(shown.studies))
    return shown


def _within(numbers: Any) -> Any:
    """Return numbers no smaller and no larger than a logarithmic axis can hold; infinite ones are missing."""
    smallest, largest = EXTREMES
    sized = np.copysign(np.clip(np.abs(numbers), smallest, largest), numbers)
    return np.where(np.isfinite(numbers), np.where(numbers == 0, 0.0, sized), np.nan)


def _near(number: float) -> float:
    """Return the same of one number, of which there are many."""
    if not math.isfinite(number):
        return math.nan
    return math.copysign(min(max(abs(number), EXTREMES[0]), EXTREMES[1]), number) if number else 0.0


def _escaped(text: str) -> str:
    """Return a text without control characters, and with a $ that is one."""
    kept = (letter for letter in text if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cs"))
    return "".join(kept).replace("$", r"\$")


def recalls(studies: Iterable[Evaluation]) -> list[Evaluation]:
    """Return the studies that ask for a memory, by length."""
    return sorted((each for each in studies if "recall" in each.metrics), key=lambda each: each.recall_steps)


def followed(asked: Sequence[Evaluation]) -> dict[str, Evaluation]:
    """Return the methods that are followed over several lengths of recall, each with a study that has it.

    Of more than two lengths a method has at least two: what ran on one length only stands in its study.
    """
    owners = {name: study for study in asked for name in study.ranked}
    least = min(2, len(asked) - 1)
    return {name: study for name, study in owners.items() if sum(name in each.ranked for each in asked) >= least}


def ends(measured: Mapping[str, Any]) -> list[float]:
    """Return the ends of a measured `score`'s `interval`, or the score twice where it has none."""
    interval = measured["interval"]
    low, high = interval["low"], interval["high"]
    return [measured["score"]] * 2 if low is None else [low, high]


def _hash(numbers: dict[str, Any], tables: dict[str, pd.DataFrame]) -> str:
    found = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode())
    for name, table in tables.items():
        found.update(f"{name} {[*table.columns]}".encode())
        found.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return found.hexdigest()


def read(studies: Sequence[str], root: Path = paths.REPORTS, families: Mapping[str, str] | None = None) -> Results:
    """Read the evaluation of each study below `root/studies`, and the random networks if there are any.

    Parameters
    ----------
    studies : sequence of str
        In the order of the table.
    root : Path, optional
    families : mapping, optional
        The family of every method, in the order of the table, so that a method looks the same whichever studies are
        read; by default the methods of these studies, in their order.

    Raises
    ------
    UnrolledError
        If a file is missing or damaged.
    """
    metrics = {study: _metrics(root / "studies" / study, study) for study in studies}
    not_run = {study: str(each["not_run"]) for study, each in metrics.items() if "not_run" in each}
    run = {study: (each, _tables(root, study)) for study, each in metrics.items() if study not in not_run}
    found = of(run, random_networks(root / "random_networks"), families)
    return replace(found, not_run=not_run, literature=records(root / "literature"))


def of(
    evaluated: Mapping[str, tuple[dict[str, Any], dict[str, pd.DataFrame]]],
    networks: RandomNetworks,
    families: Mapping[str, str] | None = None,
) -> Results:
    """Return what a page is made from, of the metrics and the tables of each study; `families` as in `read`."""
    own = {name: row["family"] for each, _ in evaluated.values() for name, row in each["methods"].items()}
    known, literature = looks(own if families is None else dict(families) | own), published()
    return Results(
        [
            Evaluation(study, *each, known, [entry for entry in literature if entry.get("study") == study])
            for study, each in evaluated.items()
        ],
        networks,
    )


def of_published(folder: Path = paths.FULL) -> Results:
    """Return the numbers of the published study, without the tables of its figures; errors as in `read_json`."""
    metrics = read_json(folder / paths.METRICS.name, "git checkout it, or run `make publish`")
    return Results([Evaluation(study, each, {}) for study, each in metrics.items()])


def records(folder: Path = paths.LITERATURE) -> dict[str, dict[str, Any]] | None:
    """Return the records that `make literature` wrote, by study; None where there is no such folder."""
    if not folder.is_dir():
        return None
    remedy = "git checkout it, or run `make literature`"
    return {path.stem: read_json(path, remedy) for path in sorted(folder.glob("*.json"))}


def _metrics(folder: Path, study: str) -> dict[str, Any]:
    fingerprint.check(folder, "run `dvc repro evaluate`")
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))[study]
    return found


def published() -> list[dict[str, Any]]:
    """Return the table of what others have published."""
    table: list[dict[str, Any]] = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    return table


def _tables(root: Path, study: str) -> dict[str, pd.DataFrame]:
    folder = root / "studies" / study
    places = {name: folder / f"{name}.csv" for name in TABLES} | {"curves": root / "curves" / f"{study}.csv"}
    return {name: table_file.read(path) for name, path in places.items()}


def random_networks(folder: Path = paths.RANDOM_NETWORKS) -> RandomNetworks:
    """Read the experiments on random networks; none where there is no such folder."""
    if not folder.is_dir():
        return RandomNetworks()
    fingerprint.check(folder, "run `dvc repro random_networks`")
    numbers = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
    return RandomNetworks(numbers, {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))})
