"""Stage `train`: learn every method of a study, keep each result, show it live in MLflow."""

import sys

from tqdm import tqdm

from unrolled import errors
from unrolled.data import store
from unrolled.training import fan_out, results, tracking
from unrolled.training.job import Job, Result
from unrolled.training.jobs import make_jobs

Finished = dict[str, tuple[Job, Result]]


def train(name: str, jobs: list[Job], tracker: tracking.Tracker) -> Finished:
    """Train the jobs side by side; write each result as soon as it is there."""
    finished: Finished = {}
    failed: list[str] = []
    epochs = sum(job.rounds * job.study.epochs for job in jobs if job.iterative)
    by_name = {job.method_name: job for job in jobs}
    bar = tqdm(total=epochs, desc=f"train {name}", unit="epoch", mininterval=1 if sys.stderr.isatty() else 15)
    with bar, fan_out.connect(len(jobs)) as client:
        for job in jobs:
            tracker.start(job)
        for news in fan_out.run(client, jobs):
            if isinstance(news, fan_out.Progress):
                bar.update(len(news.train))
                tracker.live(by_name[news.job], news)
            elif isinstance(news, fan_out.Failed):
                failed.append(f"{news.job.method_name} ({news.reason})")
                tracker.fail(news.job)
            else:
                results.save(news.job, news.result)
                tracker.finish(news.job, news.result, news.seconds)
                finished[news.job.method_name] = (news.job, news.result)
                bar.set_postfix_str(f"{len(finished)}/{len(jobs)} methods, last {news.job.method_name}", refresh=False)
    if failed:
        raise errors.UnrolledError(f"study '{name}': {'; '.join(failed)}; the other methods are kept")
    return finished


@errors.one_line
def main(name: str) -> None:
    """Train what is not yet trained, and log everything."""
    if (reason := store.not_run(name)) is not None:
        results.prune(name, [])
        print(f"{name}: not run: {reason}")
        return
    jobs = make_jobs(name)
    tracker = tracking.Tracker(name, tracking.connect())
    tracker.open(jobs[0].study.question)
    results.prune(name, [job.method_name for job in jobs])
    kept = {job.method_name: (job, result) for job in jobs if (result := results.kept(job)) is not None}
    for job, result in kept.values():
        if not tracker.has(job):
            tracker.log_finished(job, result)
    missing = [job for job in jobs if job.method_name not in kept]
    finished = kept | (train(name, missing, tracker) if missing else {})
    tracker.crown(finished)
    print(f"{name}: {len(missing)} methods trained, {len(kept)} kept; MLflow took {tracker.spent:.1f} s")
