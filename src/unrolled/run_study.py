"""`unrolled run STUDY`: data, training, evaluation and page of one study, without DVC and MLflow, in `runs/STUDY/`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled import api, config, lifetime, paths
from unrolled.config import Experiment, Method
from unrolled.data import store
from unrolled.report import results as evaluations
from unrolled.report.page import render
from unrolled.stages import configure, evaluate, generate, train
from unrolled.training import results
from unrolled.training.runs import Run


def run(study: str, wanted: Sequence[str] = (), **changes: Any) -> Path:
    """Make the page of one study, and return its path; what is there and has not changed is kept.

    Parameters
    ----------
    study : str
    wanted : sequence of str, optional
        Only these methods.
    changes
        Keys of the study's `fit`, as in `api.experiment`.

    Raises
    ------
    UnrolledError
        If a name is unknown, or data or a run failed.
    """
    own = _with_absolute_file(api.experiment(study, wanted, **changes))
    folder = (paths.RUNS / study).resolve()
    with evaluated(own, config.load().methods, folder):
        render.write(
            evaluations.read([study], families=config.index()["methods"]), {study: own.model_dump()}, [], paths.REPORTS
        )
    return folder / paths.INDEX


@contextmanager
def evaluated(own: Experiment, methods: dict[str, Method], folder: Path) -> Iterator[None]:
    """Make data, training and evaluation of one study in a folder, and stand there."""
    study = own.name
    with lifetime.alone(paths.TRAINING, "the training"), _standing_in(folder):
        configure.write([own], methods)
        generate.main(study)
        if store.not_run(study) is None:
            runs = [Run(own, method) for method in own.methods]
            results.prune({study: list(own.methods)})
            train.train([each for each in runs if not results.kept(each)])
        evaluate.main()
        yield


def _with_absolute_file(own: Experiment) -> Experiment:
    """Return the experiment with its record's file found from anywhere."""
    record = own.data.record
    if record is None or record.file is None:
        return own
    found = record.model_copy(update={"file": str(Path(record.file).resolve())})
    return own.model_copy(update={"data": own.data.model_copy(update={"record": found})})


@contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    """Work in a folder, with the project's finished results at hand and its measured data found."""
    folder.mkdir(parents=True, exist_ok=True)
    home, kept = Path.cwd(), paths.KEPT.resolve()
    kept.mkdir(parents=True, exist_ok=True)
    link = folder / paths.KEPT
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(kept)
    if measured := os.environ.get("UNROLLED_MEASURED"):
        os.environ["UNROLLED_MEASURED"] = str(Path(measured).resolve())
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(home)
