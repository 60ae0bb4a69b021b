"""Stage `train`: train every method on every study, keep each result, record it in MLflow."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from unrolled import config, errors
from unrolled.data import store
from unrolled.training import results, tracking, workers
from unrolled.training.runs import Run
from unrolled.training.workers import Done


def all_runs() -> list[Run]:
    """Return one run for each method of each study that has data, in the order of the table."""
    experiments = {name: config.experiment(name) for name in config.studies()}
    there = {name: each for name, each in experiments.items() if store.not_run(name) is None}
    return [Run(experiment, method) for experiment in there.values() for method in experiment.methods]


def train(runs: list[Run], record: Callable[[Done], None] = lambda done: None) -> None:
    """Train the runs side by side; write each result as soon as it is there, and then record it.

    Raises
    ------
    UnrolledError
        If some failed; all others are kept.
    """
    if not runs:
        return
    failed: list[str] = []
    data = {study: store.load(study) for study in dict.fromkeys(run.study for run in runs)}
    bar = tqdm(total=sum(run.epochs for run in runs), unit="epoch", mininterval=1 if sys.stderr.isatty() else 15)
    with bar, workers.connect(len(runs)) as client:
        left = len(runs)
        for news in workers.train(client, runs, data):
            if isinstance(news, int):
                bar.update(news)
                continue
            left -= 1
            if isinstance(news, workers.Failed):
                failed.append(f"{news.run.study}: {news.run.name} ({news.reason})")
            else:
                results.save(news.run, news.result, news.seconds)
                record(news)
            bar.set_description(
                f"train: {news.run.study} {news.run.name} is done, {left} of {len(runs)} left", refresh=False
            )
    if failed:
        raise errors.UnrolledError(f"{'; '.join(failed)}; all other runs are kept")


@errors.one_line
def main() -> None:
    """Train what is not yet trained, and record everything."""
    runs = all_runs()
    results.prune({study: [run.name for run in runs if run.study == study] for study in config.studies()})
    missing = [run for run in runs if not results.kept(run)]
    tracker = tracking.connect()
    train(missing, tracker.log)
    tracker.complete(runs)
    print(f"train: {len(missing)} runs trained, {len(runs) - len(missing)} kept; MLflow took {tracker.spent:.1f} s")
