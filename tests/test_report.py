"""The findings say what the numbers say: with the numbers reversed, they say the reverse."""

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import ROOT, THEORY
from unrolled import config, registry
from unrolled.report import findings, published
from unrolled.report import style as figures
from unrolled.report.style import Evaluation, Theory
from unrolled.stages.random_networks import compute


def row(median: float, rank: int | None, **extra: Any) -> dict[str, Any]:
    """Return a method's numbers."""
    base = {"median": median, "mean": median, "ci95": [median * 0.9, median * 1.1], "replicas": [median, None, median]}
    base |= {"diverged": 1, "trained": 9, "learning_rate": 0.01, "rate_at_edge": False, "parameters": 10, "rank": rank}
    base |= {"passes": {"forward": 60.0, "backward": 60.0, "curvature": 0.0}}
    return (
        base | {"learns": rank is not None, "recurrent": True, "p_vs_rnn": None, "network": "a", "about": "x"} | extra
    )


@pytest.fixture
def evaluation() -> Evaluation:
    """Return a study in which a baseline wins, with a floor and a learned linear RNN."""
    once = {"forward": 1.0, "backward": 0.0, "curvature": 0.0}
    methods = {
        "rnn": row(0.5, 3, in_sample=0.3, out_of_sample=0.5),
        "gru": row(0.4, 2, p_vs_rnn=0.01, in_sample=0.34, out_of_sample=0.4),
        "linear": row(0.35, 1, p_vs_rnn=0.2, recurrent=False, in_sample=0.36, out_of_sample=0.35, passes=once),
        "euler": row(0.6, None),
        "exact": row(1e-6, None),
    }
    for entry in methods.values():
        entry.setdefault("in_sample", 0.4)
        entry.setdefault("out_of_sample", 0.4)

    def step(decay: float) -> dict[str, Any]:
        value = np.exp(complex(-decay, 1) * 0.1)
        return {"eigenvalues": [[value.real, -value.imag], [value.real, value.imag]], "decay": decay, "frequency": 1.0}

    dynamics = {
        "exact": [step(0.1)],
        "euler": [step(0.05)],
        "learned": [step(each) for each in (0.09, 0.09, 0.1, 0.12, 0.12)],
        "step": 0.1,
        "method": "rnn",
    }
    metrics = {
        "score": "mse",
        "unit": "dimensionless",
        "better": "lower",
        "methods": methods,
        "kind": "many-to-one",
        "dynamics": dynamics,
    }
    metrics["tests"] = ["median", "arrow"]
    for entry in methods.values():
        entry |= {
            "feeds_back": False,
            "arrow": 2 * entry["median"],
            "arrow_ci95": [entry["median"], 3 * entry["median"]],
        }
    metrics["floor"] = {"theory": 1 / 3, "in_sample": 0.32, "out_of_sample": 0.34}
    epochs = np.arange(1, 4)
    curve = {"low": 0.1 / epochs, "median": 0.2 / epochs, "high": 0.3 / epochs, "epoch": epochs}
    curves = pd.concat(
        [pd.DataFrame({"method": m, "loss": k, **curve}) for m in ("rnn", "gru") for k in ("train", "val")]
    )
    line = {"output": "x", "time": epochs, "value": np.sin(epochs)}
    forecasts = pd.concat([pd.DataFrame({"method": m, **line}) for m in ("truth", *methods)])
    parts = ("train", "val", "test")
    data = pd.concat([pd.DataFrame({"split": s, "channel": "x", "time": epochs, "value": epochs}) for s in parts])
    time = np.arange(0, 12, 0.1)
    errors = {"rnn": 1e-2 * np.exp(3 * time), "gru": 1e-3 * np.exp(2 * time), "linear": 1e-5 * np.exp(time)}
    growth = pd.concat(
        [
            pd.DataFrame({"method": m, "time": time, "low": e / 2, "median": np.minimum(e, 1.4), "high": 2 * e})
            for m, e in errors.items()
        ]
    )
    looks = figures.looks({name: entry["learns"] for name, entry in methods.items()})
    return Evaluation(
        "study",
        metrics,
        {
            "curves": curves,
            "forecasts": forecasts,
            "data": data,
            "growth": growth,
            "climate": wandering(methods),
            "gradients": fading(methods),
        },
        looks,
    )


def fading(methods: dict[str, Any]) -> pd.DataFrame:
    """Return gradients that change by 0.9, 0.8, ... a step after learning, in the order of the methods."""
    tables = []
    for place, name in enumerate(methods):
        for when, factor in (("before", 0.5), ("after", 0.9 - 0.1 * place)):
            size = factor ** np.arange(20.0)
            row = {"when": when, "lag": np.arange(20), "low": size, "median": size, "high": size, "loss": size}
            tables.append(pd.DataFrame(row | {"method": name}))
        slope = float(np.log(0.9 - 0.1 * place))
        rates = {"before": float(np.log(0.5)), "after": slope, "exponent": slope, "memory": -1 / slope, "radius": 0.9}
        methods[name]["flow"] = rates
    return pd.concat(tables)


def wandering(methods: dict[str, Any]) -> pd.DataFrame:
    """Return paths and spectra, and give each method its distance."""
    tables = []
    for place, name in enumerate(["truth", *methods]):
        ramp = np.arange(1.0, 9.0)
        tables += [pd.DataFrame({"method": name, "kind": kind, "a": ramp, "b": ramp}) for kind in ("path", "spectrum")]
        if name in methods:
            methods[name]["climate"] = {"gru": 0.05}.get(name, 0.1 * place)
    return pd.concat(tables)


def reversed_ranks(evaluation: Evaluation) -> Evaluation:
    """Return the same with the recurrent network ahead of the baseline."""
    metrics = copy.deepcopy(evaluation.metrics)
    methods = metrics["methods"]
    methods["gru"], methods["linear"] = (
        methods["gru"] | {"rank": 1, "median": 0.2, "ci95": [0.19, 0.21]},
        methods["linear"] | {"rank": 2, "p_vs_rnn": 0.001, "median": 0.6, "ci95": [0.5, 0.7]},
    )
    return Evaluation(evaluation.name, metrics, evaluation.tables, evaluation.looks)


def test_ranking_names_winner_best_recurrent_and_simple_rnn(evaluation: Evaluation) -> None:
    said = findings.ranking(evaluation)
    assert said.startswith("linear has the lowest test error: 0.35")
    assert "overlaps those of gru:" in said
    assert "best recurrent network is gru" in said and "simple RNN has 0.5" in said
    other = findings.ranking(reversed_ranks(evaluation))
    assert other.startswith("gru has") and "no recurrence" not in other and "not settled" not in other


def test_significance_tells_better_from_worse(evaluation: Evaluation) -> None:
    assert "better: gru" in findings.significance(evaluation) and "linear" not in findings.significance(evaluation)
    assert "worse: linear" in findings.significance(reversed_ranks(evaluation))


def test_floor_names_those_that_learned_noise(evaluation: Evaluation) -> None:
    assert findings.floor(evaluation).endswith("they have learned noise: rnn.")


def test_recurrence_gives_the_damping(evaluation: Evaluation) -> None:
    said = findings.recurrence(evaluation)
    assert "η = 0.200 (seeds from 0.180 to 0.240); the equation has 0.200" in said and "0.100" in said


def test_overall_counts_baselines_and_divergence(evaluation: Evaluation) -> None:
    said = findings.overall([evaluation])
    assert said[0].startswith("A method without recurrence is best on 1 of 1")
    assert "5 of 45" in said[-1]
    assert findings.overall([reversed_ranks(evaluation)])[0].startswith("A recurrent network is best")


def simulated(evaluation: Evaluation) -> dict[str, Any]:
    """Make the study one of two tests in mV, in which a regression feeds back; return its methods."""
    evaluation.metrics["unit"] = "mV"
    methods = evaluation.methods
    methods["linear"]["feeds_back"] = True
    methods["narx"], methods["gru_start"] = (
        methods.pop("linear"),
        row(0.3, 4, feeds_back=False, arrow=0.2, arrow_ci95=[0.1, 0.3]),
    )
    return methods


def test_choices_give_both_errors_and_leave_out_what_is_absent(evaluation: Evaluation) -> None:
    assert findings.choices(evaluation) == ""
    simulated(evaluation)
    said = findings.choices(evaluation)
    assert "in mV on the first test: seeing the first measured outputs, 0.4 to 0.3 (gru to gru_start)." in said
    assert "state_space" not in said and "residual" not in said


def test_tests_name_the_best_of_each_and_who_beats_the_regression(evaluation: Evaluation) -> None:
    methods = simulated(evaluation)
    said = findings.tests(evaluation)
    assert "on arrow gru_start is best with 0.2 mV" in said
    assert said.endswith("narx, a regression learned in a second, is beaten on the first test by gru_start.")
    methods["gru_start"] |= {"median": 0.9, "arrow": 9.0}
    said = findings.tests(evaluation)
    assert "on arrow narx is best with 0.7 mV" in said and "beaten on the first test by no network." in said
    assert "It has no state but its own outputs." in findings.ranking(evaluation)
    del evaluation.metrics["tests"]
    assert findings.tests(evaluation) == ""


def test_a_published_value_of_another_test_is_held_against_that_test(evaluation: Evaluation) -> None:
    simulated(evaluation)
    entry = {"study": "study", "method": "gru", "value": 4.0, "field": "arrow", "source": "s", "differs": "d"}
    [found] = published.compare([evaluation], [entry])
    assert (found["ours"], found["best_here"]) == (0.8, "gru_start")
    assert found["ci95"] == evaluation.methods["gru"]["arrow_ci95"] and found["verdict"].startswith("ours is better")
    [score] = published.compare([evaluation], [{**entry, "field": "median", "value": 0.4}])
    assert (score["ours"], score["best_here"]) == (0.4, "narx") and score["verdict"] == "within our interval"


def test_otherwise_compares_the_same_network_alone(evaluation: Evaluation) -> None:
    methods = evaluation.metrics["methods"]
    assert findings.otherwise(evaluation) == "1.43 on study (linear, at 0.0083 times the passes)"
    methods["linear"]["network"] = "another"
    assert findings.otherwise(evaluation) == "1.25 on study (gru, at 1 times the passes)"
    methods["gru"]["network"] = "another"
    assert findings.otherwise(evaluation) == ""


@pytest.mark.parametrize(
    ("value", "said"), [(0.12345, "0.123"), (7.0e-7, "7.0×10⁻⁷"), (12345.0, "1.2×10⁴"), (None, "none"), (0.0, "0")]
)
def test_number(value: float | None, said: str) -> None:
    assert findings.number(value) == said


@pytest.fixture(scope="module")
def theory() -> Theory:
    """Return the theory of tiny networks."""
    row = config.load(ROOT / "params.yaml").theory
    return Theory(*compute(row.model_copy(update=THEORY)))


@pytest.mark.parametrize("name", registry.names("figures"))
def test_every_figure_has_title_caption_and_labelled_axes(evaluation: Evaluation, theory: Theory, name: str) -> None:
    item = registry.load("figures", name)
    recalled(evaluation, 50)
    given: Any = {"overview": ([evaluation],), "study": (evaluation,), "theory": (theory, [evaluation])}[item.SCOPE]
    with figures.style():
        first, second = (item.draw(*given) for _ in range(2))
        assert item.SCOPE != "study" or item.applies(*given)
        assert len(first.get_suptitle()) > 10 and len(item.CAPTION) > 10
        assert any([axis.get_xlabel() for axis in first.axes] + [first.get_supxlabel()])
        drawn = figures.svg(first, "same")
        assert drawn == figures.svg(second, "same") and drawn.startswith("<svg")


def test_tolerance_says_how_far_off_the_default_would_be(evaluation: Evaluation) -> None:
    assert findings.tolerance(evaluation) == ""
    evaluation.metrics["default_tolerance"] = 0.7
    assert "off by 0.7 (root mean square), 2 times the best" in findings.tolerance(evaluation)


def test_climate_names_the_nearest_and_the_farthest(evaluation: Evaluation) -> None:
    item = registry.load("figures", "climate")
    assert "Nearest to the true climate: gru" in item.draw(evaluation).get_suptitle()
    evaluation.methods["rnn"]["climate"] = 0.01
    title = item.draw(evaluation).get_suptitle()
    assert "Nearest to the true climate: rnn, its spectrum off by 0.01" in title and "farthest: exact" in title


def test_climate_finding_tells_chaos_from_order(evaluation: Evaluation) -> None:
    assert findings.climate(evaluation) == ""
    evaluation.metrics["lyapunov"] = 0.9
    evaluation.methods["gru"]["exponent"], evaluation.methods["rnn"]["exponent"] = 0.85, -0.2
    said = findings.climate(evaluation)
    assert "gru 0.85" in said and "Nearest is gru" in said and said.endswith("settle or circle): rnn.")
    evaluation.methods["rnn"]["exponent"] = 0.9
    assert "Nearest is rnn." in findings.climate(evaluation) and "No chaos" not in findings.climate(evaluation)


def test_gradient_flow_names_who_reaches_farthest(evaluation: Evaluation) -> None:
    item = registry.load("figures", "gradient_flow")
    said = "the gradient of rnn by a factor of 0.9,\nthat of linear by 0.7"
    assert said in item.draw(evaluation).get_suptitle()
    said = findings.memory(evaluation)
    assert "9.49 steps in rnn" in said and "2.8 in linear" in said and "lengthened this reach in 3 of 3" in said
    evaluation.methods["gru"]["flow"] |= {"after": 0.0, "memory": None}
    evaluation.methods["rnn"]["flow"] |= {"after": -1.0, "memory": 1.0}
    assert "the gradient of gru by a factor of 1," in item.draw(evaluation).get_suptitle()
    said = findings.memory(evaluation)
    assert "in 1 in rnn" in said and "do not shrink in gru" in said and "lengthened this reach in 2 of 3" in said


def test_rates_of_gradients_stand_beside_exponents(evaluation: Evaluation) -> None:
    item = registry.load("figures", "rates")
    assert "In 100% of 3 learned networks" in item.draw([evaluation]).get_suptitle()
    assert "(rank correlation of the two rates 1.00)" in item.draw([evaluation]).get_suptitle()
    evaluation.methods["gru"]["flow"]["exponent"] = 0.1
    assert "In 67% of 3" in item.draw([evaluation]).get_suptitle()
    assert "1.00" not in item.draw([evaluation]).get_suptitle()
    del evaluation.methods["gru"]["flow"]
    assert not item.applies([evaluation])


def recalled(evaluation: Evaluation, steps: int) -> None:
    """Make it the study of a recall over some steps."""
    evaluation.metrics["task"] = "recall"
    for entry in evaluation.methods.values():
        entry |= {"steps": steps, "solved": 0.0, "updates": None}


def test_recall_names_those_who_solve_it_and_those_who_guess(evaluation: Evaluation) -> None:
    assert findings.recall(evaluation) == ""
    recalled(evaluation, 50)
    assert "by none. No better than a guess, or hardly: linear, gru, rnn" in findings.recall(evaluation)
    evaluation.methods["gru"] |= {"median": 1e-4, "solved": 0.8, "updates": 300.0}
    text = findings.recall(evaluation)
    assert (
        "gru (80% of the seeds, the median one after 300 updates)" in text and "guess, or hardly: linear, rnn" in text
    )


def test_reach_names_who_solves_the_longest_recall(evaluation: Evaluation) -> None:
    item = registry.load("figures", "reach")
    short, long = evaluation, copy.deepcopy(evaluation)
    assert not item.applies([short, long])
    recalled(short, 50)
    recalled(long, 200)
    assert item.applies([short, long]) and not item.applies([short])
    short.methods["rnn"]["median"] = long.methods["gru"]["median"] = 1e-4
    assert item.draw([long, short]).get_suptitle() == "At 200 steps gru still solves recall"
    long.methods["gru"]["median"] = 0.1
    assert item.draw([short, long]).get_suptitle() == "At 200 steps no method still solves recall"


def test_a_method_looks_the_same_whatever_is_beside_it() -> None:
    few, many = figures.looks({"a": True, "b": True}), figures.looks({"a": True, "b": True, "c": False, "d": True})
    assert few["a"] == many["a"] and few["b"] == many["b"]
    assert len({(look.colour, look.dash) for look in many.values()}) == 4


def test_groups_are_the_runs_within_the_critical_difference() -> None:
    item = registry.load("figures", "ranks")
    assert item.groups([1.0, 2.0, 3.5, 6.0], 2.0) == [(0, 1), (1, 2)]
    assert item.groups([1.0, 2.0, 3.5, 6.0], 0.5) == []
    assert item.groups([1.0, 2.0, 3.5, 6.0], 9.0) == [(0, 3)]


def test_ranks_are_among_the_methods_of_all_studies(evaluation: Evaluation) -> None:
    item = registry.load("figures", "ranks")
    other = reversed_ranks(evaluation)
    assert item.mean_ranks([evaluation, other]) == {"gru": [2, 1], "linear": [1, 2], "rnn": [3, 3]}
    del other.methods["linear"]
    assert item.mean_ranks([evaluation, other]) == {"gru": [1, 1], "rnn": [2, 2]}


def test_the_longest_valid_time_wins_where_higher_is_better(evaluation: Evaluation) -> None:
    metrics = copy.deepcopy(evaluation.metrics) | {"score": "valid_time", "better": "higher", "unit": "Lyapunov times"}
    metrics["methods"]["linear"]["p_vs_rnn"] = 0.001  # below the simple RNN's 0.5
    higher = Evaluation(evaluation.name, metrics, evaluation.tables, evaluation.looks)
    assert "longest valid time" in findings.ranking(higher) and "lowest" not in findings.ranking(higher)
    assert "worse: gru, linear" in findings.significance(higher)
    metrics["better"] = "lower"
    assert "better: gru, linear" in findings.significance(higher).replace("linear, gru", "gru, linear")


def test_a_published_value_is_held_against_our_interval(evaluation: Evaluation) -> None:
    def verdict(value: float) -> str:
        entry = {"study": "study", "method": "gru", "value": value, "source": "s", "differs": "d"}
        [found] = published.compare([evaluation], [entry])
        assert found["ours"] == 0.4 and found["best_here"] == "linear"
        return str(found["verdict"])

    assert verdict(0.41) == "within our interval"  # it is 0.36 to 0.44
    assert verdict(0.18) == "ours is worse, by a factor of 2 at least"
    assert verdict(0.88) == "ours is better, by a factor of 2 at least"
    assert published.verdict(0.88, [0.36, 0.44], higher=True) == "ours is worse, by a factor of 2 at least"
    assert published.verdict(0.18, [0.36, 0.44], higher=True) == "ours is better, by a factor of 2 at least"


def test_published_values_of_absent_studies_and_methods_are_left_out(evaluation: Evaluation) -> None:
    entry = {"study": "study", "method": "gru", "value": 1.0, "source": "s", "differs": "d"}
    assert published.compare([evaluation], [entry | {"study": "other"}, entry | {"method": "esn"}]) == []
    assert published.compare([evaluation]) == [], "published.yaml names no study called 'study'"


def test_error_growth_names_the_rate_of_the_best(evaluation: Evaluation) -> None:
    item, table = registry.load("figures", "error_growth"), evaluation.tables["growth"]
    assert item.rate(table[table["method"] == "linear"]) == pytest.approx(1.0)
    assert item.rate(table[table["method"] == "gru"]) == pytest.approx(2.0)
    assert item.rate(table[table["time"] < 0.5]) is None
    assert "linear are lost after a time of" in item.draw(evaluation).get_suptitle()
    evaluation.metrics["lyapunov"] = 0.9
    assert "linear grows 1.00 times" in item.draw(evaluation).get_suptitle()
    assert not item.applies(Evaluation("study", evaluation.metrics, evaluation.tables | {"growth": table[:0]}))


def test_outside_says_who_is_best_under_stronger_forces(evaluation: Evaluation) -> None:
    assert findings.outside(evaluation) == ""
    for name, error in (("rnn", 2.0), ("gru", 0.9), ("linear", 1.5)):
        evaluation.methods[name]["outside"] = error
    assert "gru is best, not linear" in findings.outside(evaluation)
    evaluation.methods["linear"]["outside"] = 0.8
    assert "linear is best, also the best inside" in findings.outside(evaluation)


def changed(theory: Theory, section: str, **numbers: Any) -> Theory:
    """Return the theory with other numbers in a section."""
    return Theory(theory.numbers | {section: theory.numbers[section] | numbers}, theory.tables)


def test_alone_says_from_where_on_networks_are_chaotic(evaluation: Evaluation, theory: Theory) -> None:
    item = registry.load("figures", "alone")
    one = changed(theory, "alone", settled_up_to=0.9, mostly_chaotic_from=1.7)
    assert "settles up to g = 0.9 and is mostly chaotic from g = 1.7" in item.draw(one, []).get_suptitle()
    other = changed(theory, "alone", settled_up_to=None, mostly_chaotic_from=None)
    assert "a random network is never mostly chaotic" in item.draw(other, []).get_suptitle()
    assert item.learned([evaluation]) is None
    evaluation.metrics["lyapunov"] = 0.9
    evaluation.methods["gru"]["exponent"] = 0.85
    assert item.learned([evaluation]) == (evaluation, {"gru": 0.85})


def test_the_map_says_where_gradients_grow(theory: Theory) -> None:
    item = registry.load("figures", "gradient_map")
    families = {name: each | {"edge": None} for name, each in theory.numbers["map"]["families"].items()}
    assert "grows at none" in item.draw(changed(theory, "map", families=families), []).get_suptitle()
    families = {name: each | {"edge": 1.25} for name, each in families.items()}
    assert "below g = 1.25 it vanishes" in item.draw(changed(theory, "map", families=families), []).get_suptitle()


def test_newton_says_whether_the_curvature_is_smaller(theory: Theory) -> None:
    item = registry.load("figures", "newton")
    title = item.draw(changed(theory, "newton", slope=0.1, curvature=0.001), []).get_suptitle()
    assert "0.1 of the steepest\nand the curvature, 0.001, is smaller still" in title
    assert "not smaller" in item.draw(changed(theory, "newton", slope=0.1, curvature=0.5), []).get_suptitle()


def test_memory_puts_three_rates_side_by_side(evaluation: Evaluation, theory: Theory) -> None:
    item, table = registry.load("figures", "memory"), evaluation.tables["gradients"]
    for rate in (0.09, 0.3):
        own = (table["method"] == "rnn") & (table["when"] == "after")
        table.loc[own, "median"] = np.exp(-rate * 0.1 * table.loc[own, "lag"])
        found = item.rates(evaluation)
        assert found["gradient"] == pytest.approx(rate, rel=1e-6)
        assert (
            found["equation"] == 0.1
            and found["eigenvalue"] == pytest.approx(0.09)
            and found["median eigenvalue"] == 0.1
        )
        title = item.draw(theory, [evaluation]).get_suptitle()
        assert f"{rate:g} in the gradient" in title.replace("\n", " ")
        assert ("at one rate" in title) is (rate == 0.09) and ("different rates" in title) is (rate != 0.09)
    del evaluation.metrics["dynamics"]
    assert not item.applies(theory, [evaluation])


def test_ranks_leave_out_studies_without_the_methods_of_most(evaluation: Evaluation) -> None:
    item = registry.load("figures", "ranks")
    others = [reversed_ranks(evaluation), reversed_ranks(evaluation)]
    assert item.shared([evaluation, *others]) == [evaluation, *others]
    others[1].methods["linear"]["rank"] = None  # in two of three
    assert item.shared([evaluation, *others]) == [evaluation, others[0]]
    others[0].methods["linear"]["rank"] = None  # in one of three
    assert item.shared([evaluation, *others]) == [evaluation, *others]
    assert item.applies([evaluation, *others]) and not item.applies([])


def test_a_difference_within_rounding_is_no_verdict() -> None:
    assert published.verdict(1.0, [1.01, 1.02], higher=False) == "as good, to 2%"
    assert published.verdict(1.0, [1.03, 1.04], higher=False).startswith("ours is worse")
    assert published.verdict(1.0, [0.9, 0.97], higher=False).startswith("ours is better")


def test_what_cannot_be_compared_gets_no_verdict_from_the_numbers(evaluation: Evaluation) -> None:
    entry = {"study": "study", "method": "rnn", "value": 1e-9, "source": "?", "differs": "?"}
    assert published.compare([evaluation], [entry])[0]["verdict"].startswith("ours is worse")
    [said] = published.compare([evaluation], [entry | {"verdict": "not comparable"}])
    assert said["verdict"] == "not comparable"
