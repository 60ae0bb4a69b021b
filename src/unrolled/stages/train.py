"""Stage `train`: train every method on every study, keep each result, record it in MLflow."""

from collections.abc import Callable

from unrolled import config, errors, lifetime, paths, registry
from unrolled.data import store
from unrolled.data.task import Data
from unrolled.progress import Stage, following, read
from unrolled.training import memory, results, tracking, workers
from unrolled.training.runs import Run
from unrolled.training.schedule import Schedule, key_of
from unrolled.training.workers import Done


def all_runs() -> list[Run]:
    """Return one run for each method of each study that has data, in the order of the table."""
    experiments = {name: config.experiment(name) for name in config.studies()}
    there = {name: each for name, each in experiments.items() if store.not_run(name) is None}
    return [Run(experiment, method) for experiment in there.values() for method in experiment.methods]


def load(runs: list[Run]) -> dict[str, Data]:
    """Return the data of the runs' studies, each as its row, record and source make it, and fit for its score.

    Raises
    ------
    UnrolledError
        Of all studies at once whose data are not.
    """
    found, wrong = dict[str, Data](), list[str]()
    for own in {run.study: run.experiment for run in runs}.values():
        try:
            found[own.name] = store.load(own.name, own.data)
        except errors.UnrolledError as error:
            wrong.append(str(error))
            continue
        if reason := registry.make("scores", own.score).refuses(found[own.name].tests[own.scored_on]):
            wrong.append(f"studies.{own.name}.score: '{own.score}' {reason}: choose another, or another test part")
    if wrong:
        raise errors.UnrolledError("; ".join(wrong))
    return found


def train(
    runs: list[Run], record: Callable[[Done], None] = lambda done: None, after: dict[str, float] | None = None
) -> None:
    """Train the runs side by side; write each result as soon as it is there, and then record it.

    Parameters
    ----------
    after : dict, optional
        Seconds of the stages that follow, by name, as far as they are known.

    Raises
    ------
    UnrolledError
        If some failed; all others are kept.
    """
    if not runs:
        return
    stage, failed, data = Stage("train"), list[str](), load(runs)
    with workers.connect(memory.fitting(runs, data)) as client:
        schedule = Schedule(runs, data, read().trained, sum(client.nthreads().values()))
        stage.plan(after or {}, schedule.cores)
        stage.show("starting", schedule.left, 0.0)
        for news in workers.train(client, schedule.runs, data, results.mark):
            name = f"{news.run.study} {news.run.name}"
            if isinstance(news, workers.Passed):
                schedule.passed(news.run, news.epochs)
            elif isinstance(news, workers.Lost):
                stage.tell(f"{name}: its worker has died (is memory short?); it is trained again")
            elif isinstance(news, workers.Failed):
                failed.append(f"{news.run.study}: {news.run.name} ({news.reason})")
                schedule.finish(news.run, None)
            else:
                results.save(news.run, news.result, news.seconds)
                record(news)
                schedule.finish(news.run, news.seconds)
                stage.fitted(name, news.seconds, schedule.cost[key_of(news.run)], news.compiling)
            stage.show(name, schedule.left, schedule.share)
    stage.line.clear()
    if failed:
        raise errors.UnrolledError(f"{'; '.join(failed)}; all other runs are kept")


@errors.one_line
@lifetime.alone(paths.TRAINING, "the training")
def main() -> None:
    """Train what is not yet trained, and record everything."""
    runs = all_runs()
    results.prune({study: [run.name for run in runs if run.study == study] for study in config.studies()})
    missing = [run for run in runs if not results.kept(run)]
    for run in filter(results.distrusted, missing):
        path = results.path_of(run.study, run.name)
        print(f"train: {path} is damaged or was changed by hand: {run.study} {run.name} is trained again")
    tracker = tracking.connect()
    train(missing, tracker.log, following(read(), {run.study for run in missing}))
    whole = tracker.complete(runs)
    print(f"train: {len(missing)} runs trained, {len(runs) - len(missing)} kept; MLflow took {tracker.spent:.1f} s")
    if not whole:
        print("unrolled: MLflow lacks some of these runs; `unrolled track` logs them when it works again")
