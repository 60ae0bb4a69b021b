"""Every figure keeps its contract, and its title says what the numbers say."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import made_up
from conftest import Experiments
from unrolled import fingerprint, registry
from unrolled.errors import UnrolledError
from unrolled.report import gallery, results, style
from unrolled.report.figure import OverviewFigure, StudyFigure
from unrolled.report.results import Evaluation, RandomNetworks, Results

FIGURES = registry.names("figures")


@pytest.fixture
def study() -> Evaluation:
    return made_up.study()


@pytest.fixture
def everything(random_networks: Experiments) -> Results:
    return made_up.results(random_networks)


def item(name: str) -> Any:
    return registry.load("figures", name)()


def title(name: str, given: Any) -> str:
    """Return the title that a figure has, on one line."""
    return style.plain_title(item(name).draw(given))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_title_caption_and_labelled_axes_with_units(everything: Results, name: str) -> None:
    figure = item(name)
    assert len(figure.caption) > 10
    given: Any = everything.studies[0] if isinstance(figure, StudyFigure) else everything
    if not figure.applies(given):
        return  # a figure for what the made-up studies do not have
    with style.style():
        drawn = figure.draw(given)
        text = style.svg(drawn)
        assert text == style.svg(figure.draw(given)), "the same numbers give the same bytes"
    assert len(drawn.get_suptitle()) > 10 and f"<title>{style.plain_title(drawn)[:10]}" in text and "<text" in text
    labels = [label for axis in drawn.axes for label in (axis.get_xlabel(), axis.get_ylabel())]
    assert any([*labels, drawn.get_supxlabel()])
    for label in labels:
        assert not label.startswith(("time", "mean square error")) or label.endswith(")"), f"{label} has no unit"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_where_it_stands(name: str) -> None:
    figure = item(name)
    assert isinstance(figure, StudyFigure | OverviewFigure)
    assert isinstance(figure, StudyFigure) or figure.section in ("trust", "overview", "why")


@pytest.mark.parametrize("name", FIGURES)
def test_overview_figures_do_not_apply_where_nothing_was_run(name: str) -> None:
    figure = item(name)
    if isinstance(figure, OverviewFigure):
        assert not figure.applies(Results([], RandomNetworks()))


def test_colours_are_told_apart_in_every_kind_of_colour_vision() -> None:
    """A contrast of 3 to white, and a distance of 15 in CIELAB after Machado's matrices (2009)."""
    blind = {
        "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
        "normal": np.eye(3),
    }
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    to_lab = np.array([[0, 116, 0], [500, -500, 0], [0, 200, -200]])
    colours = [*style.FAMILIES.values(), style.TRUTH]
    coded = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    assert (1.05 / (linear @ to_xyz[1] + 0.05) >= 3).all()
    for kind, matrix in blind.items():
        xyz = np.clip(linear @ np.transpose(matrix), 0, 1) @ np.transpose(to_xyz) / [0.9505, 1, 1.089]
        lab = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116) @ to_lab.T
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 99 * np.eye(len(lab))
        assert apart.min() > 15, (kind, [colours[i] for i in np.unravel_index(apart.argmin(), apart.shape)])


def test_a_method_looks_the_same_whatever_is_added() -> None:
    few = style.looks({"a": "rnn", "b": "gru", "c": "rnn"})
    many = style.looks({"z": "lstm", "a": "rnn", "y": "new", "b": "gru", "c": "rnn", "d": "rnn", "x": "reference"})
    assert {name: many[name] for name in few} == few
    assert few["a"].colour == few["c"].colour != few["b"].colour and few["a"].marker != few["c"].marker
    assert many["x"].colour == style.GREY and many["y"].colour not in style.FAMILIES.values()


def logarithmic(low: float, high: float) -> Any:
    """Return a figure with a logarithmic axis between two numbers."""
    drawn, axes = style.new(4, 3)
    axes[0, 0].plot([1, 2], [low, high])
    axes[0, 0].set_yscale("log")
    style.title(drawn, "a title")
    return drawn


def test_powers_are_text_as_the_formulas_say_them() -> None:
    for low, high, labels in (
        (1e-3, 1e2, {"10⁻³", "10⁰", "10²"}),
        (0.2, 0.6, {"3×10⁻¹", "6×10⁻¹"}),
        (1e-30, 1e12, {"10⁻³⁰", "10⁻⁶", "10¹²"}),
    ):
        with style.style():
            text = style.svg(logarithmic(low, high))
        assert all(f">{label}</text>" in text for label in labels) and "<tspan" not in text, labels


def test_one_layout_places_everything_as_two(monkeypatch: pytest.MonkeyPatch) -> None:
    with style.style():
        once = style.svg(logarithmic(1e-3, 1e2))
        monkeypatch.setattr(style, "_lay_out", lambda figure: None)  # then saving does it, by drawing twice
        assert style.svg(logarithmic(1e-3, 1e2)) == once
        assert style.svg(logarithmic(1e-3, 1e3)) != once


def test_only_what_changed_is_drawn_again(everything: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(gallery, "FEW", 10**6)  # in this process
    monkeypatch.setattr(gallery, "_draw", lambda plan: drawn.append(plan.stem) or (b"<svg/>", dict(ABOUT)))
    first = gallery.draw(everything, tmp_path)
    assert sorted(drawn) == sorted(each.stem for each in first) == sorted(path.stem for path in tmp_path.glob("*.svg"))
    drawn.clear()
    assert [each.stem for each in gallery.draw(everything, tmp_path)] == [each.stem for each in first]
    assert drawn == []
    (tmp_path / "study-data.svg").unlink()
    gallery.draw(everything, tmp_path)
    assert drawn == ["study-data"]
    drawn.clear()
    other = everything.studies[1]
    other.tables["data"].loc[0, "value"] += 1
    changed = replace(other, tables=dict(other.tables))
    gallery.draw(replace(everything, studies=[everything.studies[0], changed]), tmp_path)
    assert "other-data" in drawn and "headline" in drawn and "study-data" not in drawn
    drawn.clear()
    gallery.draw(replace(everything, studies=everything.studies[:1]), tmp_path)
    assert list(tmp_path.glob("other-*")) == [] and "study-data" not in drawn


ABOUT = {"title": "t", "width": 10, "height": 10}


def test_workers_draw_the_same_bytes(everything: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(everything, studies=[], random_networks=everything.random_networks)
    for folder, few in ((tmp_path / "a", 99), (tmp_path / "b", 0)):
        folder.mkdir()
        monkeypatch.setattr(gallery, "FEW", few)
        gallery.draw(one, folder)
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert len(files) > 2 and files == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}


def test_one_figure_is_drawn_alone(everything: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "read", lambda studies, root, families: everything if len(studies) > 1 else only)
    only = replace(everything, studies=everything.studies[:1])
    (tmp_path / "figures").mkdir()
    path = gallery.draw_one("data", ["study"], root=tmp_path)
    assert path == tmp_path / "figures/study-data.svg" and path.is_file()
    assert gallery.draw_one("headline", ["study", "other"], tmp_path / "h.svg", root=tmp_path).is_file()
    with pytest.raises(UnrolledError, match="figure of one study"):
        gallery.draw_one("data", ["study", "other"], root=tmp_path)
    with pytest.raises(UnrolledError, match="nothing to show"):
        gallery.draw_one("reach", ["study"], root=tmp_path)


def test_units_stand_on_the_axes(study: Evaluation) -> None:
    axes = item("data").draw(study).axes
    assert (axes[0].get_ylabel(), axes[-1].get_xlabel()) == ("x (mV)", "time (s)")
    assert item("test_sets").draw(study).axes[0].get_xlabel() == "MSE (mV²)"
    assert item("forecast").draw(study).axes[0].get_ylabel() == "x (mV)"
    study.metrics["example_axis"] = "test sequence"
    assert item("forecast").draw(study).get_supxlabel() == "test sequence"


def test_power_spectrum_names_the_nearest_and_the_farthest(study: Evaluation) -> None:
    said = title("power_spectrum", study)
    assert "Nearest to the true power spectrum: GRU" in said and "farthest: Exact" in said
    study.methods["rnn"]["power_spectrum_error"] = 0.01
    assert "Nearest to the true power spectrum: RNN, off by 0.01 decades" in title("power_spectrum", study)


def test_gradient_memory_names_who_reaches_farthest(study: Evaluation) -> None:
    said = title("gradient_memory", study)
    assert "of RNN reaches 9.49 steps, that of Ridge 2.8 steps" in said, "-1/log 0.9 and -1/log 0.7"
    assert said.endswith("lengthens it in 4 of 5 methods"), "0.9 to 0.6 a step against 0.5, and once 0.5 again"
    study.methods["gru"]["flow"] |= {"after": 0.0}
    assert "of GRU reaches as far as it is followed" in title("gradient_memory", study)


def test_published_values_are_drawn_as_ratios(everything: Results) -> None:
    entry = {"study": "study", "method": "gru", "value": 0.25, "source": "?", "differs": "?"}
    other = entry | {"value": 0.1, "model": "GRU, large"}
    apart = entry | {"value": 1.0, "verdict": "not comparable, longer"}
    shown = replace(everything, studies=[replace(everything.studies[0], published=[entry, other, apart])])
    assert title("published", shown) == "Of 2 published values that compare, ours is within a factor of two on 1"
    points = [line.get_xdata() for line in item("published").draw(shown).axes[0].get_lines()]
    assert [float(x[0]) for x in points if len(x) == 1] == pytest.approx([0.4, 4.0, 1.6])
    assert not item("published").applies(everything)


def test_reach_names_who_solves_the_longest_recall(everything: Results) -> None:
    short, long = everything.studies
    assert item("reach").applies(everything) and not item("reach").applies(replace(everything, studies=[short]))
    short.methods["rnn"]["extras"]["solved"] = long.methods["gru"]["extras"]["solved"] = 1.0
    assert title("reach", replace(everything, studies=[long, short])) == "Recall over 200 steps is solved by GRU"
    long.methods["gru"]["extras"]["solved"] = 0.0
    assert title("reach", everything) == "Recall over 200 steps is solved by no method"


def test_error_growth_names_the_rate_of_the_best(study: Evaluation) -> None:
    assert "Half of the trajectories of Ridge are lost after a time of" in title("error_growth", study)
    study.metrics["lyapunov"] = 0.9
    assert "error of Ridge grows 1.00 times as fast" in title("error_growth", study)
    table = study.tables["growth"]
    assert "small enough" in title("error_growth", replace(study, tables={"growth": table[table["time"] < 0.5]}))
    assert not item("error_growth").applies(replace(study, tables={"growth": table[:0]}))


def test_headline_counts_baselines(everything: Results) -> None:
    assert title("headline", everything).endswith("on 0 of 2 studies, a method without recurrence on 2")
    one = [made_up.reversed_ranks(everything.studies[0])]
    assert title("headline", replace(everything, studies=one)) == "Chosen by validation on The study: GRU"


def changed(everything: Results, section: str, **numbers: Any) -> Results:
    """Return the results with other numbers in a section of the random networks."""
    networks = everything.random_networks
    known = copy.deepcopy(networks.numbers)
    known[section] |= numbers
    return replace(everything, random_networks=RandomNetworks(known, networks.tables))


def test_autonomous_says_from_where_on_networks_are_chaotic(everything: Results) -> None:
    said = title("autonomous", changed(everything, "autonomous", settled_up_to=0.9, mostly_chaotic_from=1.7))
    assert "settles up to g = 0.9 and is mostly chaotic from g = 1.7" in said
    said = title("autonomous", changed(everything, "autonomous", settled_up_to=None, mostly_chaotic_from=None))
    assert "a random network is never mostly chaotic" in said
    assert not item("autonomous").draw(everything).axes[3].get_visible()
    everything.studies[0].metrics["lyapunov"] = 0.9
    everything.studies[0].methods["gru"]["exponent"] = 0.85
    axis = item("autonomous").draw(everything).axes[3]
    assert axis.get_visible() and [tick.get_text() for tick in axis.get_yticklabels()] == ["GRU"]


def test_the_map_says_where_gradients_grow(everything: Results) -> None:
    families = everything.random_networks.numbers["gradient_map"]["families"]
    none, some = ({n: each | {"critical_gain": g} for n, each in families.items()} for g in (None, 1.25))
    assert "explodes at none" in title("gradient_map", changed(everything, "gradient_map", families=none))
    assert "shrinks below g = 1.25, and grows above" in title(
        "gradient_map", changed(everything, "gradient_map", families=some)
    )


def test_newton_says_whether_the_curvature_is_smaller(everything: Results) -> None:
    def estimates(slope: float, curvature: float) -> Results:
        both = {"slope": slope, "curvature": curvature}
        found = {name: {"mean": float(np.log10(value)), "sd": 0.1, "n": 3} for name, value in both.items()}
        return changed(everything, "newton", **found)

    said = title("newton", estimates(slope=0.1, curvature=0.001))
    assert "0.1 of the steepest and the curvature, 0.001, is smaller still" in said
    assert "not smaller" in title("newton", estimates(slope=0.1, curvature=0.5))


def test_memory_puts_three_rates_side_by_side(everything: Results) -> None:
    [first, _], table = everything.studies, everything.studies[0].tables["gradients"]
    for rate, how in ((0.09, "at one rate"), (0.3, "at different rates")):
        own = (table["method"] == "rnn") & (table["when"] == "after")
        table.loc[own, "median"] = np.exp(-rate * 0.1 * table.loc[own, "lag"])
        said = title("memory", everything)
        assert how in said and f"{rate:g} in the gradient" in said
    del first.metrics["dynamics"]
    assert not item("memory").applies(replace(everything, studies=[first]))


def test_eigenvalues_give_the_damping(study: Evaluation) -> None:
    assert title("eigenvalues", study) == "Trained damping η = 0.200, true 0.200; Euler's step has 0.100"


def test_results_are_read_from_files(study: Evaluation, tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "study"
    folder.mkdir(parents=True)
    curves = tmp_path / "curves" / "study.csv"
    curves.parent.mkdir()
    for name, table in study.tables.items():
        table.to_csv(curves if name == "curves" else folder / f"{name}.csv", index=False)
    (folder / "metrics.json").write_text(json.dumps({"study": study.metrics}))
    fingerprint.write(folder, "?", [curves, *folder.iterdir()])
    other = tmp_path / "studies" / "other"
    other.mkdir()
    (other / "metrics.json").write_text(json.dumps({"other": {"not_run": "no network"}}))
    fingerprint.write(other, "?", [other / "metrics.json"])
    found = results.read(["study", "other"], tmp_path, {"z": "rnn", "rnn": "rnn"})
    assert found.not_run == {"other": "no network"} and found.random_networks.numbers == {}
    assert found.studies[0].metrics == study.metrics and found.studies[0].look("rnn").marker == style.MARKERS[1]
    curves.unlink()
    with pytest.raises(UnrolledError, match=r"study\.csv is missing: run `dvc repro evaluate`"):
        results.read(["study"], tmp_path)
