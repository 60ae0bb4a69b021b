"""The findings say what the numbers say: with the numbers reversed, they say the reverse."""

import copy
from dataclasses import replace
from typing import Any

import pytest

import made_up
from unrolled.report import words
from unrolled.report.findings import dynamics, of_study, overview, scores
from unrolled.report.results import Evaluation


@pytest.fixture
def study() -> Evaluation:
    return made_up.study()


def test_ranking_names_winner_best_recurrent_and_reference(study: Evaluation) -> None:
    said = scores.ranking(study)
    assert said.startswith("Ridge has the lowest test error: 0.35 (range over seeds: 0.315 to 0.385)")
    assert "overlaps those of GRU: the order among them is not settled" in said and "It is not recurrent." in said
    assert "best recurrent network is GRU" in said and "RNN has 0.5" in said
    other = scores.ranking(made_up.reversed_ranks(study))
    assert other.startswith("GRU has") and "not recurrent" not in other and "not settled" not in other


def test_significance_tells_better_from_worse(study: Evaluation) -> None:
    assert "better: GRU" in scores.significance(study) and "Ridge" not in scores.significance(study)
    assert "worse: Ridge" in scores.significance(made_up.reversed_ranks(study))
    study.metrics["reference"] = None
    assert scores.significance(study) == ""


def test_the_longest_valid_time_wins_where_higher_is_better(study: Evaluation) -> None:
    metrics = copy.deepcopy(study.metrics) | {"score_label": "valid time", "better": "higher", "unit": "Lyapunov times"}
    metrics["methods"]["linear"]["p_vs_rnn"] = 0.001  # below the reference's 0.5
    higher = replace(study, metrics=metrics)
    assert "longest valid time" in scores.ranking(higher) and "lowest" not in scores.ranking(higher)
    assert "worse: GRU and Ridge" in scores.significance(higher)
    metrics["better"] = "lower"
    assert "better: GRU and Ridge" in scores.significance(higher)


def test_choices_give_both_errors_and_leave_out_what_is_absent(study: Evaluation) -> None:
    assert scores.choices(study) == ""
    study.methods["gru"]["compare_with"] = {"rnn": "a gate", "lstm": "something else"}
    assert scores.choices(study) == "What each choice is worth, MSE (mV²): a gate, 0.5 to 0.4 (RNN to GRU)."


def test_test_sets_name_the_best_of_each_and_who_beats_an_autoregression(study: Evaluation) -> None:
    assert "on “harder” also Ridge is best (RMSE 0.7 mV)" in scores.test_sets(study)
    study.methods["gru"]["tests"]["harder"]["median"] = 0.2
    assert "on “harder” not Ridge but GRU is best (RMSE 0.2 mV)" in scores.test_sets(study)
    study.methods["linear"]["autoregressive"] = True
    assert scores.test_sets(study).endswith(
        "Ridge, a regression fitted in a second, is beaten on the first by no network."
    )
    assert "It is autoregressive: its only state is its past outputs." in scores.ranking(study)
    assert "is beaten on the first by GRU." in scores.test_sets(made_up.reversed_ranks(study))
    study.metrics["tests"] = {}
    assert scores.test_sets(study) == ""


def test_edges_name_the_methods(study: Evaluation) -> None:
    assert scores.edges(study) == ""
    study.methods["gru"]["rate_at_edge"] = True
    assert scores.edges(study).endswith("better beyond: GRU.")


def test_floor_names_those_that_fitted_noise(study: Evaluation) -> None:
    said = dynamics.floor(study)
    assert "Ridge 1.03, GRU 1.18, RNN 1.47" in said and said.endswith("they have fitted noise: RNN.")


def test_recurrence_gives_the_damping(study: Evaluation) -> None:
    said = dynamics.recurrence(study)
    assert "η = 0.200 (seeds from 0.180 to 0.240); the equation has 0.200" in said and "0.100" in said
    assert "its error: Euler 0.6, Exact 1.0×10⁻⁶" in said


def test_recall_names_those_who_solve_it_and_those_at_chance(study: Evaluation) -> None:
    assert "by none. At chance, or hardly better: Ridge, GRU, RNN and Euler" in dynamics.recall(study)
    study.methods["gru"] |= {"median": 1e-4, "solved": 0.8, "updates": 300.0}
    assert "GRU (80% of the seeds, the median one after 300 updates). At chance" in dynamics.recall(study)
    del study.metrics["recall"]
    assert dynamics.recall(study) == ""


def test_tolerance_says_how_far_off_the_default_would_be(study: Evaluation) -> None:
    assert dynamics.tolerance(study) == ""
    study.metrics["default_tolerance"] = 0.7
    assert "off by 0.7 (root mean square), 2 times the best" in dynamics.tolerance(study)


def test_closed_loop_tells_chaos_from_order(study: Evaluation) -> None:
    assert dynamics.closed_loop(study) == ""
    study.metrics["lyapunov"] = 0.9
    study.methods["gru"]["exponent"], study.methods["rnn"]["exponent"] = 0.85, -0.2
    said = dynamics.closed_loop(study)
    assert "GRU 0.85" in said and "Nearest is GRU" in said and said.endswith("settle or circle): RNN.")
    study.methods["rnn"]["exponent"] = 0.9
    assert "Nearest is RNN." in dynamics.closed_loop(study) and "No chaos" not in dynamics.closed_loop(study)


def test_memory_names_who_reaches_farthest(study: Evaluation) -> None:
    said = dynamics.memory(study)
    assert "in 9.49 steps in RNN and in 2.8 in Ridge" in said and "lengthened this reach in 3 of 3" in said
    study.methods["gru"]["flow"] |= {"after": 0.0, "memory": None}
    study.methods["rnn"]["flow"] |= {"after": -1.0, "memory": 1.0}
    said = dynamics.memory(study)
    assert "in 1 in RNN" in said and "does not shrink in GRU" in said and "lengthened this reach in 2 of 3" in said


def test_overall_counts_baselines_and_divergence(study: Evaluation) -> None:
    said = overview.overall([study])
    assert said[0].startswith("A method without recurrence is best on 1 of 1") and "5 of 45" in said[-1]
    assert overview.overall([made_up.reversed_ranks(study)])[0].startswith("A recurrent network is best")


def test_gates_count_where_they_win(study: Evaluation) -> None:
    assert "smaller error on 1 of 1 studies: by a factor of 1.25" in overview.gates([study])
    study.methods["gru"]["median"] = 1.0
    assert "smaller error on 0 of 1 studies" in overview.gates([study])
    study.metrics["better"] = "higher"
    assert overview.gates([study]) == ""


def test_otherwise_compares_the_same_network_only(study: Evaluation) -> None:
    assert "of 1.43 at most (The study: Ridge, at 0.00833 times the passes)" in overview.otherwise([study])
    study.methods["linear"]["network"] = "another"
    assert "of 1.25 at most (The study: GRU, at 1 times the passes)" in overview.otherwise([study])
    study.methods["gru"]["network"] = "another"
    assert overview.otherwise([study]) == ""


def test_every_sentence_stands_where_all_seeds_of_a_method_diverged(study: Evaluation) -> None:
    study.methods["rnn"] |= {"median": None, "mean": None, "rank": None, "interval": made_up.interval(None, None)}
    study.methods["rnn"] |= {"flow": {"after": None, "memory": None}}
    for each in study.methods.values():
        each["p_vs_rnn"] = None
    assert all("None" not in sentence and "nan" not in sentence for sentence in of_study(study))


@pytest.mark.parametrize(
    ("value", "said"), [(0.12345, "0.123"), (7.0e-7, "7.0×10⁻⁷"), (12345.0, "1.2×10⁴"), (None, "none"), (0.0, "0")]
)
def test_number(value: float | None, said: str) -> None:
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("names", "said"), [([], "none"), (["a"], "a"), (["a", "b", "c"], "a, b and c"), (["a, one", "b"], "a, one; b")]
)
def test_listed(names: list[Any], said: str) -> None:
    assert words.listed(names) == said
