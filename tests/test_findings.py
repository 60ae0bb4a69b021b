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


def test_ranking_names_what_validation_chooses_the_recurrent_one_and_the_reference(study: Evaluation) -> None:
    said = scores.ranking(study)
    assert said.startswith("Validation chooses Ridge: MSE (mV²) 0.35 (t interval of log scores: 0.315 to 0.385)")
    assert "What is chosen is not recurrent." in said and "exploratory" not in said
    assert "Of the recurrent networks it is GRU" in said and "RNN has 0.5" in said
    other = scores.ranking(made_up.reversed_ranks(study))
    assert other.startswith("Validation chooses GRU") and "not recurrent" not in other


def test_ranking_tells_the_choice_of_validation_from_the_order_by_test_score(study: Evaluation) -> None:
    study.methods["linear"]["chosen_by_validation"], study.methods["rnn"]["chosen_by_validation"] = False, True
    study.methods["rnn"]["tuned_by_hand"] = "16 settings, on validation data"
    said = scores.ranking(study)
    assert said.startswith("Validation chooses RNN") and "By test score, an exploratory order, Ridge comes" in said
    assert "fixed settings were tuned by hand: 16 settings, on validation data." in said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("better", "GRU is better than RNN"),
        ("worse", "GRU is worse than RNN"),
        ("equivalent", "GRU is as good as RNN, within a factor of 1.1"),
        ("undecided", "GRU against RNN is undecided"),
    ],
)
def test_planned_comparisons_have_four_answers(study: Evaluation, answer: str, words: str) -> None:
    assert scores.planned(study) == ""
    found = {"one": "gru", "other": "rnn", "ratio": 1.25, "p": 0.01, "answer": answer, "note": "over seeds only"}
    study.metrics["comparisons"] = [found]
    assert scores.planned(study) == f"Planned comparisons: {words} (ratio 1.25, p 0.01, over seeds only)."
    study.metrics["comparisons"] = [{"one": "gru", "other": "rnn", "answer": answer, "note": "solved by 5 of 5"}]
    assert scores.planned(study) == f"Planned comparisons: {words} (solved by 5 of 5)."


def test_the_longest_valid_time_wins_where_higher_is_better(study: Evaluation) -> None:
    metrics = copy.deepcopy(study.metrics) | {"score_label": "valid time", "better": "higher", "unit": "Lyapunov times"}
    for rank, name in enumerate(("rnn", "gru", "linear"), start=1):
        metrics["methods"][name]["rank"] = rank
    higher = replace(study, metrics=metrics)
    assert "an exploratory order, RNN comes first" in scores.ranking(higher) and higher.ordered[:3] == [
        "euler",
        "rnn",
        "gru",
    ]


def test_choices_give_both_errors_and_leave_out_what_is_absent(study: Evaluation) -> None:
    assert scores.choices(study) == ""
    study.methods["gru"]["compare_with"] = {"rnn": "a gate", "lstm": "something else"}
    assert (
        scores.choices(study)
        == "What each choice is worth by points (exploratory), MSE (mV²): a gate, 0.5 to 0.4 (RNN to GRU)."
    )


def test_test_sets_name_the_best_of_each_and_who_beats_an_autoregression(study: Evaluation) -> None:
    assert "on “harder” also Ridge has the lowest error (RMSE 0.7 mV)" in scores.test_sets(study)
    study.methods["gru"]["tests"]["harder"]["score"] = 0.2
    assert "on “harder” not Ridge but GRU has the lowest error (RMSE 0.2 mV)" in scores.test_sets(study)
    study.methods["linear"]["autoregressive"] = True
    assert scores.test_sets(study).endswith("than Ridge, a regression fitted in a second, with no network.")
    assert "What is chosen is autoregressive: its only state is its past outputs." in scores.ranking(study)
    assert scores.test_sets(made_up.reversed_ranks(study)).endswith("fitted in a second, with GRU.")
    study.metrics["tests"] = {}
    assert scores.test_sets(study) == ""


def test_edges_name_the_methods(study: Evaluation) -> None:
    assert scores.edges(study) == ""
    study.methods["gru"]["at_edge"] = {"learning_rate": "highest"}
    assert scores.edges(study).endswith("better beyond: the highest learning rate tried, GRU.")
    study.methods["rnn"]["at_edge"] = {"learning_rate": "highest", "clip_norm": "lowest"}
    assert scores.edges(study).endswith(
        "the highest learning rate tried, RNN and GRU; the lowest clip norm tried, RNN."
    )


def test_floor_names_those_that_fitted_noise(study: Evaluation) -> None:
    said = dynamics.floor(study)
    assert "Ridge 1.03, GRU 1.18, RNN 1.47" in said and said.endswith("they have fitted noise: RNN.")


def test_recurrence_gives_the_damping(study: Evaluation) -> None:
    said = dynamics.recurrence(study)
    assert "η = 0.200 (seeds from 0.180 to 0.240); the equation has 0.200" in said and "0.100" in said
    assert "its error: Euler 0.6, Exact 1.0×10⁻⁶" in said


def test_recall_names_those_who_solve_it_and_those_at_chance(study: Evaluation) -> None:
    assert "by none. At chance, or hardly better: Ridge, GRU, RNN and Euler" in dynamics.recall(study)
    study.methods["gru"] |= {"score": 1e-4, "seeds": [1e-4] * 4 + [0.1]}
    study.methods["gru"]["extras"] |= {"solved": 0.8, "updates": 300.0, "sequences_solved": 0.9}
    said = "GRU (4 of 5 seeds, 90% of the sequences to within 0.04, half of the seeds after 300 updates). At chance"
    assert said in dynamics.recall(study)
    del study.metrics["recall"]
    assert dynamics.recall(study) == ""


def test_tolerance_says_how_far_off_the_default_would_be(study: Evaluation) -> None:
    assert dynamics.tolerance(study) == ""
    study.metrics["default_tolerance"] = 0.7
    assert "off by 0.7 (root mean square), 2 times the test error of Ridge" in dynamics.tolerance(study)


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
    assert said[2].startswith("Validation chooses a method without recurrence on 1 of 1") and "5 of 45" in said[1]
    assert overview.overall([made_up.reversed_ranks(study)])[2].startswith("Validation chooses a recurrent")


def test_what_has_not_converged_is_counted_and_named(study: Evaluation) -> None:
    trained = [row for row in study.methods.values() if row["state"]]
    assert overview.convergence([study]).startswith(
        f"Of {len(trained)} trainings (a method on a study) {len(trained)} have"
    )
    trained[0] |= {"state": "still improving", "converged": False}
    trained[1] |= {"state": "at chance", "converged": False}
    said = overview.convergence([study])
    assert f"{len(trained) - 2} have converged" in said
    assert overview.converged([study]) == f"{len(trained) - 2} of {len(trained)} trainings have converged."
    assert said.endswith("; 1 still improving, 1 at chance; still improving on The study (1).")


def test_gates_count_where_they_win(study: Evaluation) -> None:
    assert "is 1.25 in the geometric mean over 1 studies" in overview.gates([study])
    study.methods["gru"]["score"] = 1.0
    assert "is 0.5 in the geometric mean" in overview.gates([study])
    study.metrics["better"] = "higher"
    assert overview.gates([study]) == ""


def test_otherwise_compares_the_same_network_only(study: Evaluation) -> None:
    assert "to 1.43 (The study: Ridge, at 0.00833 times the passes)" in overview.otherwise([study])
    study.methods["linear"]["network"] = "another"
    assert "to 1.25 (The study: GRU, at 1 times the passes)" in overview.otherwise([study])
    study.methods["gru"]["network"] = "another"
    assert overview.otherwise([study]) == ""


def test_every_sentence_stands_where_all_seeds_of_a_method_diverged(study: Evaluation) -> None:
    study.methods["rnn"] |= {"score": None, "logs": None, "rank": None, "interval": made_up.interval(None, None)}
    study.methods["rnn"] |= {"flow": {"after": None, "memory": None}}
    note = "5 of 5 seeds of rnn diverged"
    found = {"one": "gru", "other": "rnn", "ratio": None, "p": None, "answer": "undecided", "note": note}
    study.metrics["comparisons"] = [found]
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
