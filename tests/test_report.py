"""The page: what stands on it, for all studies and for one; and published values beside ours."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import made_up
from conftest import Experiments
from unrolled import config, registry
from unrolled.analysis.claim import FAILS, HOLDS, UNJUDGED, UNTESTED, Evidence
from unrolled.analysis.replication import Claims, replication
from unrolled.errors import STRICT
from unrolled.report import findings, forecast, gallery, published
from unrolled.report.page import facts, first_screen, of_methods, of_one_study, of_studies, render
from unrolled.report.results import Evaluation, Results

CLAIM = {"number": 1, "claim": "A claim.", "measure": "m", "figure": "headline", "verdict": "holds", "words": "w"}
CLAIM |= {"kind": "measured", "stability": 0.97}


@pytest.fixture
def study() -> Evaluation:
    return made_up.study()


@pytest.fixture
def page(random_networks: Experiments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of pages of given studies, without drawing."""
    about = {"title": "Says <this>", "width": 900, "height": 300}
    monkeypatch.setattr(gallery, "FEW", 10**6)
    monkeypatch.setattr(gallery, "_draw", lambda plan: (b"<svg/>", dict(about)))

    def make(studies: list[Evaluation] | None = None, **more: Any) -> str:
        results = made_up.results(random_networks, studies)
        experiments = {each.name: made_up.experiment(each) for each in results.studies}
        drawn = gallery.draw(results, tmp_path)
        return render.render(results, experiments, drawn, more.pop("claims", [CLAIM]), **more)

    return make


def test_the_page_shows_every_figure_once_and_embeds_none(page: Any, tmp_path: Path) -> None:
    text = page()
    shown = re.findall(r'<img src="figures/([^"]+)\.svg"', text)
    assert sorted(shown) == sorted(path.stem for path in tmp_path.glob("*.svg")) and len(shown) == len(set(shown))
    assert "<svg" not in text and 'alt="Says &lt;this&gt;" width="900" height="300"' in text


def test_every_link_within_the_page_leads_somewhere_and_no_id_stands_twice(page: Any) -> None:
    text = page(seconds={"study": {"gru": 1.0}})
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids)) and set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)


def test_the_page_says_how_much_of_the_published_study_it_confirms(page: Any) -> None:
    scored = {"rnn": {"score": 0.5, "chosen_by_validation": True}, "gru": {"score": 1.0, "chosen_by_validation": False}}
    other = scored | {"gru": {"score": 3.0, "chosen_by_validation": False}}
    verdicts: Claims = [{"number": 1, "verdict": HOLDS}]
    found = replication(
        ({"a": {"methods": scored}}, verdicts), ({"a": {"methods": other}}, [{"number": 1, "verdict": FAILS}])
    )
    text = page(replicated=found)
    box = text[text.index('id="replication"') : text.index('id="trust"')]
    assert "verdicts: 0 of 1 agree" in box and "winners: 1 of 1 agree" in box and "scores: 1 of 2 agree" in box
    assert "decided verdicts that contradict: 1" in box
    rows = re.findall(r'<th scope="row">([^<]+)</th>', box)
    assert rows == ["verdict, claim 1", "score, a: gru"], "what contradicts comes first, what agrees is not there"
    same = page(replicated=replication(({"a": {"methods": scored}}, verdicts), ({"a": {"methods": scored}}, verdicts)))
    assert "What differs" not in same and 'id="replication"' not in page()


def test_the_page_has_a_place_for_every_group_in_the_order_of_the_table() -> None:
    assert tuple(first_screen.GROUPS) == get_args(config.Group)


def test_labels_stand_beside_ids(page: Any) -> None:
    text = page()
    assert "GRU <code>gru</code>" in text and "The other <code>other</code>" in text
    assert "learned" not in text and not any(
        old in text for old in ("95 %", "bootstrap", "range over seeds", "Median test")
    )


def test_a_page_of_one_study_has_no_comparison_and_no_claims(page: Any) -> None:
    text = page([made_up.study()], claims=[])
    assert "Every method on every study" not in text and "The claims" not in text
    assert 'id="study"' in text and "one study" in text


def test_claims_count_their_verdicts_and_link_their_figure(page: Any) -> None:
    shown = {"number": 3, "kind": "demonstration", "verdict": "shown", "stability": None}
    text = page(claims=[CLAIM, CLAIM | {"number": 2, "figure": "none"}, CLAIM | shown])
    assert "Of 3 claims: 2 measured: 2 “holds”; 1 demonstrations: 1 “shown”" in text
    assert text.count('href="#headline-figure"') == 2 and text.count("<small>stability 0.97</small>") == 2
    assert "<b>shown</b><small>demonstration</small>" in text


def test_the_method_that_validation_chooses_is_bold_and_said_to_be_chosen(page: Any) -> None:
    study, other = made_up.study(), made_up.study("other", 200)
    study.methods["linear"]["chosen_by_validation"], study.methods["gru"]["chosen_by_validation"] = False, True
    text = page([study, other])
    assert "<b>0.4 ◆</b>" in text and text.count("<b>0.35 ◆</b>") == 1, "the chosen one is marked, not the lowest"
    assert text.count("<small>chosen</small>") == 2


def test_settings_tuned_by_hand_stand_in_the_table_of_methods(page: Any) -> None:
    assert "5 settings, on validation data" in page()


def test_why_a_study_or_method_is_absent(page: Any, random_networks: Experiments) -> None:
    other = made_up.study("other", 200)
    del other.methods["gru"]
    results = replace(made_up.results(random_networks, [made_up.study(), other]), not_run={"third": "no network"})
    experiments = {each.name: made_up.experiment(each) for each in results.studies}
    experiments["other"]["absent"] = {"gru": "too slow <here>"}
    text = render.render(results, experiments, [], [])
    assert "<b>third</b> was not run: no network." in text and 'title="too slow &lt;here&gt;"' in text


def test_training_times_stand_on_the_local_page_only(page: Any) -> None:
    assert "Training times (seconds)" in page(seconds={"study": {"gru": 12.34}})
    assert "12.3" in page(seconds={"study": {"gru": 12.34}}) and "Training times (seconds)" not in page()


def test_a_diverged_method_is_said_to_be(page: Any) -> None:
    other = made_up.study()
    other.methods["rnn"] |= {"score": None, "logs": None, "rank": None, "interval": made_up.interval(None, None)}
    assert page([other, made_up.study("other", 200)]).count(">diverged</td>") == 3


def test_the_seeds_as_an_ensemble_stand_beside_one_seeds_error(study: Evaluation) -> None:
    rows = study.methods
    rows["gru"]["ensemble"] = None  # a forecast that overflows
    rows["linear"]["ensemble"] = {"members": 1, "crps": 0.01, "mae": 0.01, "coverage": None, "nominal": None}
    made = of_one_study.ensemble(study)
    assert made is not None and made.heads[1:4] == ["CRPS (mV)", "MAE of the median seed (mV)", "CRPS / MAE"]
    assert [row.method for row in made.rows] == ["exact", "linear", "rnn", "euler"]
    cells = {row.method: [getattr(cell, "text", cell) for cell in row.cells[1:]] for row in made.rows}
    assert cells["rnn"] == ["0.35", "0.5", "0.7", "3", "25 %", "50 %"]
    assert cells["linear"] == ["0.01", "0.01", "1", "1", "", ""]
    for row in rows.values():
        row["ensemble"] = rows["linear"]["ensemble"]
    assert of_one_study.ensemble(study) is None, "no method has several"
    for row in rows.values():
        del row["ensemble"]  # numbers of an earlier version
    assert of_one_study.ensemble(study) is None


def test_facts_have_units_and_washout(study: Evaluation) -> None:
    said = facts.of_study(study, made_up.experiment(study))
    assert (
        "System: sine, omega = 1. Step 0.1 s, sequences of 50 steps" in said and "first 5 steps are not scored" in said
    )
    record = made_up.experiment(study)
    record["data"] |= {"record": {"source": "csv", "file": "mine.csv"}}
    assert "Measured: mine.csv" in facts.of_study(study, record)


def test_what_else_differs_names_options(study: Evaluation) -> None:
    row = made_up.experiment(study)["methods"]["rnn"] | {"clip_norm": [0.1, 1.0], "residual": "linear"}
    said = of_methods.differences(row)
    assert said == "sees u; residual of a linear model; norm at most 0.1 or 1; leak rate 0.3; activation relu"


def entry(**more: Any) -> dict[str, Any]:
    return {"study": "study", "method": "gru", "value": 1.0, "source": "s", "differs": "d"} | more


def compared(study: Evaluation, *entries: dict[str, Any]) -> list[dict[str, Any]]:
    return published.compare([replace(study, published=list(entries))])


def test_a_published_value_is_held_against_our_range(study: Evaluation) -> None:
    for value, said in ((0.41, published.WITHIN), (0.18, "ours is worse, by a factor of 2 at least")):
        [found] = compared(study, entry(value=value))
        assert found["ours"] == 0.4 and found["best_here"] == "linear" and found["verdict"] == said
    [found] = compared(study, entry(value=0.88))
    assert found["verdict"] == "ours is better, by a factor of 2 at least"
    ours = {"score": 0.4, "interval": made_up.interval(0.36, 0.44)}
    assert published.verdict(0.88, ours, higher=True) == "ours is worse, by a factor of 2 at least"
    assert published.verdict(0.18, ours, higher=True) == "ours is better, by a factor of 2 at least"


def test_a_published_value_of_another_test_set_is_held_against_that(study: Evaluation) -> None:
    study.methods["rnn"]["tests"]["harder"]["score"] = 0.1
    [found] = compared(study, entry(value=4.0, test="harder"))
    assert (found["ours"], found["best_here"], found["best_score"]) == (0.8, "linear", 0.7) and found[
        "verdict"
    ].startswith("ours is better")


def test_published_values_of_absent_methods_are_left_out(study: Evaluation) -> None:
    assert compared(study, entry(method="esn")) == []


def test_a_difference_within_rounding_is_no_verdict() -> None:
    worse = "ours is worse, by a factor of {} at least".format
    for score, low, said in ((1.01, 1.005, published.AS_GOOD), (1.04, 1.03, worse(1.03)), (1.2, 1.01, worse(1.01))):
        ours = {"score": score, "interval": made_up.interval(low, 2 * score - low)}
        assert published.verdict(1.0, ours, higher=False) == said


def test_what_cannot_be_compared_gets_no_verdict_from_the_numbers(study: Evaluation) -> None:
    [found] = compared(study, entry(value=1e-9, verdict="not comparable"))
    assert found["verdict"] == "not comparable"
    assert facts.literature([found]) == "Of 1 published values, ours is not comparable on 1."
    rows = compared(study, *(entry(value=value * study.methods["gru"]["score"]) for value in (0.4, 0.6, 0.9, 2.0)))
    said = "2 within a factor of 1.25 and 3 within a factor of 2 of the published error, or below it."
    assert facts.literature(rows).endswith(said)


def test_sources_stand_once_with_links() -> None:
    rows = [entry(source="A, doi 10.1016/j.x.2024.08.574, arXiv 2405.10779: b"), entry(), entry()]
    first, second = of_studies.sources(rows)
    assert '<a href="https://doi.org/10.1016/j.x.2024.08.574">doi 10.1016/j.x.2024.08.574</a>,' in first
    assert '<a href="https://arxiv.org/abs/2405.10779">' in first and "What differs: d" in second


def test_a_forecast_is_drawn_in_its_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.zeros((3, 2))
    series = forecast.Series(np.full((5, 2), 3.0), truth, 1.0, 0.5, {"V2": "mV", "I": "A"}, "s")
    assert series.rmse() == 3.0
    made: list[Any] = []
    monkeypatch.setattr(forecast, "title", lambda figure, text: made.append((figure, text)))
    forecast.draw("a study", "GRU", series, tmp_path / "f.png")
    figure, text = made[0]
    assert [axis.get_ylabel() for axis in figure.axes] == ["V2 (mV)", "I (A)"]
    assert figure.axes[-1].get_xlabel() == "time (s)" and text == "a study: forecast of GRU, RMSE 3 mV (V2), 3 A (I)"


def test_the_results_of_nothing_make_a_page(tmp_path: Path) -> None:
    render.write(Results([], not_run={"a": "b"}), {}, [], tmp_path)
    assert "was not run: b" in (tmp_path / "index.html").read_text(encoding="utf-8")


EVIL = "<img src=x onerror='alert(1)'>\"&"


def test_no_name_of_a_table_or_record_becomes_markup(page: Any) -> None:
    """Labels, units, questions and reasons come from tables, and columns from others' files."""
    evil, plain = made_up.study(), made_up.study("other", 200)
    evil.metrics.update(dict.fromkeys(("label", "question", "score_label", "unit", "time_unit"), EVIL))
    evil.metrics.update({"inputs": {EVIL: EVIL}, "outputs": {EVIL: EVIL}})
    for row in evil.methods.values():
        row |= {"label": EVIL, "about": EVIL, "tuned_by_hand": EVIL}
    text = page([evil, plain])
    assert "onerror" in text, "or else the test sees nothing"
    found: list[tuple[str, list[str]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append((tag, [name for name, _ in attributes]))  # type: ignore[method-assign]
    parser.feed(text)
    assert [each for each in found if "onerror" in each[1] or each == ("img", ["src"])] == [] and len(found) > 100


def test_a_fault_in_a_sentence_a_table_or_a_claim_is_said_in_its_place_and_takes_nothing_with_it(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> Any:
        raise ZeroDivisionError("no <luck>")

    whole = page()
    monkeypatch.setattr(findings, "SENTENCES", (*findings.SENTENCES, broken))
    monkeypatch.setattr(of_one_study, "gradients", broken)
    with pytest.raises(ZeroDivisionError):
        page()
    monkeypatch.delenv(STRICT)
    text = page()
    assert text.count("No word on broken: ZeroDivisionError: no &lt;luck&gt; (") == 2
    assert text.count("The gradients of this study could not be made: ZeroDivisionError: no &lt;luck&gt;") == 2
    assert text.count("<table>") == whole.count("<table>") - 2 and whole.count("<li>") == text.count("<li>") - 2
    nothing: Any = {}
    found = registry.load("claims", "euler_step")().assess(Evidence({}, nothing))
    assert found["verdict"] == UNTESTED and found["numbers"] is None
    assert found["words"].startswith(f"{UNJUDGED}: KeyError: 'euler' (analysis/claims/euler_step.py:")
