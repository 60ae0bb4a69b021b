"""The order of the runs, and the time that all of them will still take."""

import itertools
import time
from typing import Any

import pytest

from conftest import MakeRun
from unrolled.training import schedule
from unrolled.training.fit import fit
from unrolled.training.runs import Run
from unrolled.training.schedule import Schedule, cost, key_of

SMALL = {"cell": "elman", "hidden": 4}
RECALL = {"system": "integrator", "task": "recall", "step": 1.0, "train": 8, "val": 4, "test": 4}


def test_what_takes_longer_costs_more(make_run: MakeRun) -> None:
    ordered = [
        make_run(SMALL | {"optimiser": "hessian_free"}, steps=40, epochs=800, **RECALL),  # many gradients an update
        make_run(SMALL, steps=40, epochs=800, **RECALL),
        make_run(SMALL, steps=10, epochs=8, batch=4, **RECALL),
        make_run(SMALL, steps=10, epochs=8, **RECALL),
        make_run(SMALL | {"hidden": 3}, steps=10, epochs=8, **RECALL),
        make_run(SMALL, steps=10, **RECALL),
        make_run(SMALL | {"learning_rates": [1e-2]}, steps=10, seeds=1, **RECALL),
        make_run(SMALL | {"optimiser": "ridge"}, steps=10, **RECALL),  # takes no epochs
    ]
    costs = [cost(*each) for each in ordered]
    assert costs == sorted(costs, reverse=True) and len(set(costs)) == len(costs)


@pytest.fixture
def plan(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of a schedule of runs of given costs, called after them, on some cores, and the runs by name."""
    run, data = make_run(SMALL, seeds=3, tuning_seeds=1, learning_rates=[1e-3, 1e-2], epochs=4)

    def made(*costs: float, cores: int = 2, **known: tuple[float, float]) -> tuple[Schedule, dict[str, Run]]:
        def named(number: int) -> Run:
            method = f"m{number}"
            rows = {method: run.method.model_copy(update={"learning_rates": [1e-3, 1e-2]})}
            return Run(run.experiment.model_copy(update={"methods": rows}), method)

        runs = {f"m{number}": named(number) for number in range(len(costs))}
        by_name = dict(zip(runs, costs, strict=True))
        monkeypatch.setattr(schedule, "cost", lambda run, data: by_name[run.name])
        before = {f"study {name}": seconds for name, seconds in known.items()}
        return Schedule([*runs.values()], {"study": data}, before, cores), runs

    return made


def simulated(seconds: list[float], cores: int) -> float:
    """Return when the last of some jobs ends, second by second: whoever is free takes the next."""
    waiting, busy, now = list(seconds), [0.0] * cores, 0
    while waiting or max(busy) > 1e-9:
        for core in range(cores):
            if busy[core] <= 1e-9 and waiting:
                busy[core] = waiting.pop(0)
        busy = [max(0.0, each - 1) for each in busy]
        now += 1
    return now


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_the_longest_go_first_and_the_time_left_is_that_of_a_queue(plan: Any, cores: int) -> None:
    costs = [7.0, 3.0, 11.0, 2.0, 5.0, 5.0]
    made, _ = plan(*costs, cores=cores)
    assert [made.cost[key_of(run)] for run in made.runs] == sorted(costs, reverse=True)
    assert made.left == simulated(sorted(costs, reverse=True), cores)
    best = min(simulated(list(order), cores) for order in itertools.permutations(costs))
    assert best <= made.left <= 4 / 3 * best, "Graham 1969, doi 10.1137/0117039"
    assert made.share == 0


def test_one_long_run_at_the_end_counts_whole_however_many_cores_there_are(plan: Any) -> None:
    made, _ = plan(100.0, 1.0, 1.0, cores=8)
    assert made.left == 100.0


def test_the_share_is_of_the_estimated_seconds_and_not_of_the_runs_or_epochs(plan: Any) -> None:
    made, runs = plan(90.0, 10.0, cores=1)
    made.finish(runs["m1"], 10.0)
    assert made.share == pytest.approx(0.1) and made.left == pytest.approx(90.0)
    made.passed(runs["m0"], 4)  # all of tuning: 2 of 4 replicas, since one seed tries two rates
    assert made.share == pytest.approx(0.55) and made.left == pytest.approx(45.0)
    made.passed(runs["m0"], 6)
    assert made.left == pytest.approx(22.5)
    made.passed(runs["m0"], 1)  # its worker has died, and it begins anew
    assert made.left == pytest.approx(90 * 7 / 8)
    made.finish(runs["m0"], None)  # failed
    assert made.share == 1 and made.left == 0


def test_what_has_finished_corrects_what_is_left_the_known_and_the_unknown_apart(plan: Any) -> None:
    known = {"m2": (1000.0, 200.0), "m3": (1000.0, 200.0)}  # took five times what was estimated
    made, runs = plan(200.0, 200.0, 200.0, 400.0, cores=1, **known)
    assert made.seconds == {key_of(runs[f"m{n}"]): each for n, each in enumerate([200.0, 200.0, 1000.0, 2000.0])}
    assert made.runs[0].name == "m3" and made.left == 3400
    made.finish(runs["m0"], 400.0)  # an unknown one took twice as long
    trust = schedule.TRUST
    assert made.left == pytest.approx(200 * (400 + trust) / (200 + trust) + 3000)
    made.finish(runs["m2"], 500.0)  # a known one half
    factor = (500 + trust) / (1000 + trust)
    assert made.left == pytest.approx(200 * (400 + trust) / (200 + trust) + 2000 * factor)


def test_costs_are_in_seconds_of_one_core(make_run: MakeRun) -> None:
    """Against a real fit, within a factor that holds on any machine."""
    run, data = make_run(SMALL, train=640, batch=32, epochs=60)
    fit(run, data)  # compiles
    begun = time.perf_counter()
    fit(run, data)
    assert 1 / 20 < (time.perf_counter() - begun) / cost(run, data) < 20
