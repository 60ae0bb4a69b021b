"""Everything that is said of one study in numbers: scores with their statistics, row by row."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled import registry
from unrolled.analysis import (
    attractor,
    convergence,
    decay_rate,
    ensemble,
    error_growth,
    gradient_flow,
    power_spectrum,
    step_matrix,
    tables,
    tolerance,
)
from unrolled.analysis.comparison import Row, best_by_validation
from unrolled.analysis.headline import headline, left_out, rounded, sequence_variances
from unrolled.analysis.score import Score, squares
from unrolled.data.lost import THRESHOLD
from unrolled.data.task import Data, History, TestSet
from unrolled.errors import Fault, UnrolledError, attempt
from unrolled.models.build import autoregressive, family
from unrolled.training.runs import Result, Run

Array = NDArray[Any]
REFERENCE = "rnn"


@dataclass(frozen=True)
class Evaluated:
    """A run with its result, the data that its method gets, and its score (S,), NaN where a replica diverged.

    `left_out` is its mean log score with each block of test sequences left out, None where there is one.
    """

    run: Run
    result: Result
    data: Data
    scores: Array
    left_out: Array | None = None

    @property
    def score(self) -> Score:
        """The study's score."""
        score: Score = registry.make("scores", self.run.experiment.score)
        return score

    @property
    def typical(self) -> int:
        """The place, among the chosen replicas, of the one whose score is nearest the headline."""
        logs = self.score.logs(self.scores, self.data.tests[self.score.test])
        if not np.isfinite(logs).any():
            return 0
        return int(np.nanargmin(np.abs(logs - np.nanmean(logs))))

    @property
    def deterministic(self) -> bool:
        """Whether nothing about the method is random: its replicas have the same weights."""
        theta = self.result.theta[self.result.chosen]
        return len(theta) > 1 and bool((theta == theta[0]).all())


def scored(run: Run, result: Result, data: Data) -> Evaluated:
    """Return a run with the test score of each chosen replica."""
    score: Score = registry.make("scores", run.experiment.score)
    predicted, test = result.predictions[score.test], data.tests[score.test]
    values = score(predicted, test)
    values = np.where(result.diverged[result.chosen] | ~np.isfinite(values), np.nan, values)
    return Evaluated(run, result, run.select(data), values, left_out(score, predicted, test, np.isfinite(values)))


def evaluate(runs: list[Evaluated], data: Data) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return a study's part of `reports/metrics.json`, and the tables of its figures."""
    truth = attractor.reference(runs[0].run, data)
    measured = [attempt(partial(_measured, each, truth)) for each in runs]
    rows, flows = {}, []
    for each, own in zip(runs, measured, strict=True):
        rows[each.run.name], flow = (_not_evaluated(each, own), None) if isinstance(own, Fault) else own
        flows += [] if flow is None else [flow]
    score: Score = registry.make("scores", runs[0].run.experiment.score)
    rank(rows, -1.0 if score.higher_is_better else 1.0)
    choose(rows)
    gradients = pd.concat(flows, ignore_index=True) if flows else pd.DataFrame(columns=list(gradient_flow.COLUMNS))
    runs = [each for each in runs if "fault" not in rows[each.run.name]]
    if not runs:
        raise UnrolledError(f"no method could be evaluated: {next(iter(rows.values()))['fault']}")
    found = tables.of_study(runs, data) | {"gradients": gradients}
    for name, rate in error_growth.growth_rates(found["growth"]).items():
        rows[name]["growth_rate"] = rounded(rate)
    floor = {"attractor_floor": truth and truth.floor}
    return _study(runs, data, score, gradients) | floor | {"methods": rows}, found


def _study(runs: list[Evaluated], data: Data, score: Score, gradients: pd.DataFrame) -> dict[str, Any]:
    """Return what is said of the study as a whole."""
    run, test = runs[0].run, data.tests[score.test]
    row = run.experiment.data
    found: dict[str, Any] = {
        "score": run.experiment.score,
        "loss": run.task.loss,
        "score_label": score.label,
        "unit": score.unit(test),
        "error_unit": test.unit,
        "better": "higher" if score.higher_is_better else "lower",
        "label": run.experiment.label,
        "question": run.experiment.question,
        "group": run.experiment.group,
        "task": row.task,
        "kind": run.task.kind,
        "measured": row.record is not None,
        "step": row.step,
        "steps": row.settings.get("steps"),
        "time_unit": row.unit_of_time,
        "outputs": run.task.outputs(row, run.system),
        "inputs": tables.inputs_of(run),
        "reference": REFERENCE if REFERENCE in run.experiment.methods else None,
        "sequences": sequence_variances({each.run.name: each.left_out for each in runs}),
        "closed_loop": "closed_loop" in data.tests,
        "example_axis": "time",
        "lyapunov": test.lyapunov,
        "tests": {name: _about_test(data.tests[name], further_score(score)) for name in _further(data)},
        "test_label": test.label,
        "validated_in_closed_loop": run.validation(data).mode == "closed_loop",
    }
    if run.task.error_growth in data.tests:
        found["lost_above"] = THRESHOLD
    found |= run.task.describe(row)
    if (loose := tolerance.default_tolerance(run)) is not None:
        found["default_tolerance"] = rounded(loose)
    if "solvers_agree" in data.facts:
        found["solvers_agree"] = {key: rounded(value) for key, value in data.facts["solvers_agree"].items()}
    if "floor" in data.facts:
        found["floor"] = {key: rounded(value) for key, value in data.facts["floor"].items()}
    linear = [e for e in runs if step_matrix.applies(e.run)]
    if linear:
        found["dynamics"] = step_matrix.compare(linear[0].run, linear[0].result, linear[0].data)
        found["dynamics"]["decay_rates"] = decay_rate.decay_rates(found["dynamics"], gradients)
    return found


def further_score(score: Score) -> str:
    """Return by which score the further test sets are measured: the study's own, if it is taken on such and an error.

    Else by RMSE, and of classes by cross-entropy.
    """
    if score.test == "test" and not score.higher_is_better:
        return next(name for name in registry.names("scores") if registry.load("scores", name) is type(score))
    return "cross_entropy" if score.of_classes else "rmse"


def _about_test(test: TestSet, name: str) -> dict[str, str]:
    score: Score = registry.make("scores", name)
    return {"label": test.label, "unit": score.unit(test), "score": score.label}


def _further(data: Data) -> list[str]:
    """Return the test sets that are scored beside the main ones."""
    return [name for name in data.tests if name not in ("test", "closed_loop", "in_sample", "free_run")]


def _measured(each: Evaluated, truth: attractor.Reference | None) -> tuple[Row, pd.DataFrame | None]:
    """Return the numbers of one method, and of a recurrent one the table of its gradients."""
    row = _row(each) | _attractor(each, truth)
    if not recurrent(each.run) or each.run.network().autonomous:  # whose past is what its state was set to
        return row, None
    table, own = gradient_flow.of_method(each.run, each.result, each.data)
    flow = {key: rounded(value) for key, value in own.items()}
    return row | {"flow": flow}, table.assign(method=each.run.name)


def _not_evaluated(each: Evaluated, fault: Fault) -> Row:
    """Return the row of a method whose numbers could not be had, with the reason."""
    nothing = headline(each.score, np.array([]), each.data.tests[each.score.test], False)
    none: Row = {
        "in_sample": None,
        "out_of_sample": None,
        "one_step": None,
        "power_spectrum_error": None,
        "attractor": None,
    }
    none |= {"extras": {}, "val_loss": None, "best_epoch": None, "converged": False, "deterministic": False}
    none["ensemble"] = None
    tests = {name: {key: nothing[key] for key in ("score", "interval")} for name in _further(each.data)}
    seeds = [None] * len(each.scores)
    return _about(each) | nothing | none | {"tests": tests, "seeds": seeds, "state": "not evaluated", "fault": fault}


def _about(each: Evaluated) -> Row:
    """Return what is known of one method without any measurement."""
    run, result, method = each.run, each.result, each.run.method
    rate, norm, value, _, options = run.hyperparameters[int(result.tried[result.chosen[0]])]
    network = run.network()
    return {
        "label": method.label,
        "about": method.about,
        "family": family(method),
        "cell": method.cell,
        "initialiser": method.initialiser,
        "optimiser": method.optimiser,
        "hidden": method.hidden,
        "diverged": int(result.diverged.sum()),
        "trained": len(result.seeds),
        "learning_rate": rate if "learning_rates" in run.optimiser.uses else None,
        "clip": rounded(min(norm, value)),
        "options": dict(options),
        "tried": len(run.hyperparameters),
        "at_edge": at_edge(run, result),
        "tuned_by_hand": method.tuned_by_hand,
        "parameters": network.parameters,
        "passes": dict(zip(("forward", "backward", "curvature"), map(rounded, result.passes.tolist()), strict=True)),
        "updates": _updates(run, each.data) * len(result.val_loss),
        "trains": run.optimiser.trains,
        "autoregressive": autoregressive(method),
        "recurrent": recurrent(run),
        "network": f"{method.cell} {network.cell.settings.model_dump()}",
        "compare_with": method.compare_with,
        "forcing": method.forcing and method.forcing.model_dump(),
    }


def _row(each: Evaluated) -> Row:
    """Return the numbers of one method."""
    run, result, data, scores = each.run, each.result, each.data, each.scores
    row = _about(each) | {
        **headline(each.score, scores, data.tests[each.score.test], each.deterministic),
        "seeds": [rounded(score) for score in scores],
        "deterministic": each.deterministic,
        "val_loss": rounded(result.loss),
        "ensemble": _ensemble(each),
        **_convergence(each),
    }
    predictions, tests = result.predictions, data.tests
    if "closed_loop" in tests:
        row["one_step"] = _on(each, "rmse", "test")["score"]
    if power_spectrum.applies(data):
        loop, step = tests["closed_loop"], run.experiment.data.step
        own = power_spectrum.power_spectrum_error(predictions["closed_loop"][each.typical], loop.targets, step)
        row["power_spectrum_error"] = rounded(own)
    if further := _further(data):
        row["tests"] = {name: _on(each, further_score(each.score), name) for name in further}
    if len(outputs := measured_outputs(run)) > 1:
        row["outputs"] = {name: _of_output(each, place) for place, name in enumerate(outputs)}
    if "in_sample" in tests:
        row["in_sample"], row["out_of_sample"] = (_on(each, "mse", name)["score"] for name in ("in_sample", "test"))
    extras = run.task.extras(scores, History(result.val_loss[:, result.chosen], _updates(run, data)))
    if limits := run.task.describe(run.experiment.data).get("recall"):
        extras["sequences_solved"] = float((squares(predictions["test"], tests["test"]) <= limits["solved"]).mean())
    if run.task.loss == "cross_entropy":
        extras["accuracy"] = _on(each, "accuracy", "test")["score"]
    return row | {"extras": {key: rounded(value) for key, value in extras.items()}}


def _ensemble(each: Evaluated) -> dict[str, Any] | None:
    """Return what the seeds with a score are worth as an ensemble, on the test set that is scored."""
    predicted = each.result.predictions[each.score.test][np.isfinite(each.scores)]
    return ensemble.ensemble(predicted, each.data.tests[each.score.test], each.deterministic)


def _on(each: Evaluated, name: str, test: str) -> dict[str, Any]:
    """Return headline and interval of another score on another test set."""
    score: Score = registry.make("scores", name)
    values = score(each.result.predictions[test], each.data.tests[test])
    found = headline(score, values, each.data.tests[test], each.deterministic)
    return {key: found[key] for key in ("score", "interval")}


def measured_outputs(run: Run) -> dict[str, str]:
    """Return the outputs of a record and their units; none of a system, whose states are dimensionless."""
    return run.task.outputs(run.experiment.data, None) if run.experiment.data.record is not None else {}


def _of_output(each: Evaluated, place: int) -> dict[str, Any]:
    """Return the RMSE of one output alone, in its unit, on the test set that is scored."""
    test, k = each.data.tests[each.score.test], slice(place, place + 1)
    scale = np.array(each.data.facts["scaling"]["standard_deviation"])[-test.targets.shape[-1] :]
    own = replace(test, targets=test.targets[..., k], scale=scale[k])
    score: Score = registry.make("scores", "rmse")
    values = score(each.result.predictions[each.score.test][..., k], own)
    found = headline(score, np.where(np.isfinite(each.scores), values, np.nan), own, each.deterministic)
    return {key: found[key] for key in ("score", "interval")}


def _updates(run: Run, data: Data) -> int:
    """Return how many updates an epoch has."""
    return 1 if run.optimiser.once_an_epoch else -(-len(data.train["inputs"]) // run.fit.batch)


def _convergence(each: Evaluated) -> dict[str, Any]:
    """Return the state of the training, if there is any, and the best epoch, the median over the seeds."""
    if not each.run.optimiser.trains:
        return {"state": None, "converged": None, "best_epoch": None}
    result, own = each.result, each.result.chosen
    validation = each.run.validation(each.data)
    trivial = convergence.trivial_loss(each.data.train["targets"], validation, each.run.task.loss)
    state = convergence.state(result.val_loss[:, own], result.best_loss[own], result.diverged[own], trivial)
    epoch = convergence.best_epoch(result.val_loss[:, own])
    best = None if epoch is None else rounded(float(np.median(epoch)))
    return {"state": state, "converged": state == "converged", "best_epoch": best}


def at_edge(run: Run, result: Result) -> dict[str, str]:
    """Return which hyperparameters were chosen at the edge of the values tried, and whether the lowest or highest."""
    values, found = [each.named() for each in run.hyperparameters], {}
    for name, value in values[int(result.tried[result.chosen[0]])].items():
        tried = sorted({each[name] for each in values})
        if len(tried) > 1 and value in (tried[0], tried[-1]):
            found[name] = "lowest" if value == tried[0] else "highest"
    return found


def recurrent(run: Run) -> bool:
    """Return whether a method has a recurrence."""
    cell: Any = registry.load("cells", run.method.cell)
    return bool(cell.recurrent) and not run.method.flatten_window


def _attractor(each: Evaluated, truth: attractor.Reference | None) -> dict[str, Any]:
    """Return the attractor of the typical replica in closed loop, and the largest exponent wherever there is chaos."""
    theta, loop = each.result.theta[each.result.chosen[each.typical]], "closed_loop"
    if truth is not None:
        own = attractor.of_method(each.run, theta, each.result.predictions[loop][each.typical], each.data, truth.orbits)
        return {"attractor": own, "exponent": own["exponents"] and own["exponents"][0]}
    if not power_spectrum.applies(each.data):
        return {"attractor": None}
    found = attractor.exponents(each.run, theta, each.data)
    return {"attractor": None, "exponent": found and found[0]}


def rank(rows: dict[str, dict[str, Any]], sign: float) -> None:
    """Rank the trained methods by test score, which is exploratory; those without a score have no rank."""
    trained = [name for name, row in rows.items() if row["trains"] and row["score"] is not None]
    ordered = sorted(trained, key=lambda n: sign * rows[n]["score"])
    for name, row in rows.items():
        row["rank"] = ordered.index(name) + 1 if name in ordered else None


def choose(rows: dict[str, dict[str, Any]]) -> None:
    """Mark the method that validation chooses: the lowest validation loss of those with a rank."""
    chosen = best_by_validation({name: row for name, row in rows.items() if row["rank"]})
    for name, row in rows.items():
        row["chosen_by_validation"] = name == chosen
