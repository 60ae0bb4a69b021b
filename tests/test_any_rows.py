"""Whatever the numbers and texts of the rows are, the page is made and names them; nothing undefined is decided."""

import html
import json
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import any_rows
import made_up
from conftest import Experiments
from unrolled.analysis import convergence, questions, replication, stability, statistics
from unrolled.analysis.claim import UNJUDGED, VERDICTS, Evidence, assess_all, plan
from unrolled.analysis.comparison import Pair, family, over_studies
from unrolled.report import closing, gallery, published, terminal
from unrolled.report.gallery import Drawn
from unrolled.report.page import render
from unrolled.report.results import Evaluation, RandomNetworks, Results

VOID = {"meta", "link", "img", "br", "hr"}
MANY = 2000
several = st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True).flatmap(
    lambda numbers: st.tuples(*(any_rows.studies(f"study_{number}") for number in numbers))
)


def examples(count: int, request: pytest.FixtureRequest, many: int = MANY) -> settings:
    """Return how many examples are drawn: a few always the same, or thousands."""
    exhaustive = bool(request.config.getoption("--exhaustive"))
    checks = list(HealthCheck)
    common: dict[str, Any] = {
        "database": None,
        "deadline": None,
        "suppress_health_check": checks,
        "phases": [Phase.generate],
    }
    return settings(max_examples=many if exhaustive else count, derandomize=not exhaustive, **common)


class Page(HTMLParser):
    """The words and the tags of a page; each that is opened is closed, in its place."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.words.append(data)


def results_of(studies: tuple[Evaluation, ...], networks: Experiments | None) -> Results:
    """Return what a page is made from."""
    return Results(list(studies), RandomNetworks(*networks) if networks else RandomNetworks())


def judged(results: Results) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the claims as the stage judges them, and what a reader asks; each study gets its planned comparisons."""
    metrics = {study.name: study.metrics for study in results.studies}
    evidence = plan(Evidence(metrics, results.random_networks.numbers))  # type: ignore[arg-type]
    for name, own in metrics.items():
        own["comparisons"] = [each for pair, each in evidence.compared.items() if pair.study == name]
    claims, answers = assess_all(evidence), questions.answers(evidence)
    json.dumps([metrics, claims, answers], allow_nan=False)
    return claims, answers


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_a_page_is_made_of_any_rows(
    random_networks: Experiments, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stability, "DRAWS", 3)

    @examples(10, request)
    @given(several)
    def check(studies: tuple[Evaluation, ...]) -> None:
        results = results_of(studies, random_networks)
        claims, answers = judged(results)
        questions.headline({study.name: study.metrics for study in studies}, claims)
        assert {claim["verdict"] for claim in claims} <= set(VERDICTS)
        assert not [claim for claim in claims if claim["words"].startswith(UNJUDGED)]
        drawn = [Drawn(p.stem, any_rows.EVIL, 9, 9, p.item, p.study) for p in gallery.planned(results)]
        drawn = [Drawn(drawn[0].stem, "", 0, 0, drawn[0].item, drawn[0].study, any_rows.EVIL), *drawn[1:]]
        experiments = {study.name: made_up.experiment(study) for study in studies}
        metrics = json.loads(json.dumps({study.name: study.metrics for study in studies}))
        same = replication.replication((metrics, claims), (metrics, claims))
        assert same.contradictions == []
        seconds = {study.name: {"rnn": 1.0} for study in studies}
        text = render.render(results, experiments, drawn, claims, answers, same, seconds)
        page = Page(text)
        assert "x-evil" not in page.tags and "onclick" not in page.attributes
        words = " ".join(" ".join(page.words).split())
        for study in studies:
            for said in (study.label, study.metrics["question"], *(study.labels(study.methods))):
                assert " ".join(said.replace("\x00", "\ufffd").split()) in words or html.escape(said) in text
            assert all(f"<code>{name}</code>" in text for name in (study.name, *study.methods))
        assert len(closing.findings(metrics, claims, {})) == 5
        terminal.studies(results)
        [terminal.scores(study) for study in studies]
        published.compare(list(studies))

    check()


def test_every_figure_of_any_rows_is_a_picture(random_networks: Experiments, request: pytest.FixtureRequest) -> None:
    @examples(2, request, many=200)
    @given(several)
    def check(studies: tuple[Evaluation, ...]) -> None:
        results = results_of(studies, None)
        for each in gallery.planned(results):
            drawing, about = gallery._draw(each)
            ElementTree.fromstring(drawing)
            assert about["title"]

    check()


# --- numbers

scores = st.lists(st.one_of(st.sampled_from((0.0, 1e-38, 0.5, 1.0, 1e38)), st.floats(1e-30, 1e30)), max_size=5)


def test_nothing_undefined_is_decided(request: pytest.FixtureRequest) -> None:
    @examples(10, request)
    @given(any_rows.studies("study"), any_rows.studies("other"))
    def check(first: Evaluation, second: Evaluation) -> None:
        metrics = {"study": first.metrics, "other": second.metrics}
        pairs = [Pair(s, a, b) for s, own in metrics.items() for a in own["methods"] for b in own["methods"] if a != b]
        pairs = [p for p in pairs if not any("fault" in metrics[p.study]["methods"][each] for each in p[1:])]
        found = family(metrics, pairs)
        for pair, each in found.items():
            rows = [metrics[pair.study]["methods"][name] for name in pair[1:]]
            undefined = any(row["score"] is None or row["logs"]["variance"] is None for row in rows)
            if "solved" not in each and (undefined or not each["terms"]):
                assert each["answer"] == "undecided" and each["p"] is None, each
        json.dumps([*found.values()], allow_nan=False)
        mean = over_studies({f"{number}": each for number, each in enumerate(found.values())})
        json.dumps(mean, allow_nan=False)
        if not any(each.get("p") is not None for each in found.values()):
            assert mean is None

    check()


def test_a_training_of_any_losses_has_a_state(request: pytest.FixtureRequest) -> None:
    losses = st.integers(0, 6).flatmap(lambda n: st.lists(any_rows.lines(3), min_size=n, max_size=n))

    @examples(200, request)
    @given(losses, any_rows.lines(3), st.lists(st.booleans(), min_size=3, max_size=3), any_rows.numbers)
    def check(history: list[list[float]], best: list[float], stopped: list[bool], trivial: float) -> None:
        val = np.array(history, dtype=np.float64).reshape(-1, 3)
        found = convergence.states(val, np.array(best), np.array(stopped), trivial)
        for state, loss, diverged in zip(found, best, stopped, strict=True):
            assert state in any_rows.STATES and (state == "diverged") == (diverged or not np.isfinite(loss))
        assert convergence.state(val, np.array(best), np.array(stopped), trivial) in found
        epochs = convergence.best_epoch(val)
        assert epochs is None if not len(val) else ((epochs >= 1) & (epochs <= len(val))).all()

    check()


def test_intervals_and_corrections_of_any_numbers(request: pytest.FixtureRequest) -> None:
    @examples(200, request)
    @given(st.lists(any_rows.signed, max_size=6), st.lists(st.none() | st.floats(0, 1), max_size=6))
    def check(logs: list[float], p: list[float | None]) -> None:
        found = statistics.interval(np.clip(np.array(logs, dtype=np.float64), -1e3, 1e3))
        finite = int(np.isfinite(np.clip(logs, -1e3, 1e3)).sum()) if logs else 0
        assert (found["low"] is None) == (finite < 2) and found["n"] == finite
        given_p = np.array([np.nan if each is None else each for each in p])
        corrected = statistics.holm(given_p)
        assert (np.isnan(corrected) == np.isnan(given_p)).all()
        known = np.isfinite(given_p)
        assert ((corrected[known] >= given_p[known]) & (corrected[known] <= 1)).all()

    check()
