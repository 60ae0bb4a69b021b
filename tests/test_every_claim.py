"""Every claim: its contract, its verdict on the committed numbers, and that reversed numbers reverse it."""

import json
from typing import Any

import pytest

from pipeline import ROOT
from unrolled import registry
from unrolled.analysis import claim
from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, UNTESTED, Evidence

NAMES = registry.names("claims")


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Return the committed numbers."""
    reports = ROOT / "reports"
    return Evidence(*(json.loads((reports / name).read_text()) for name in ("metrics.json", "theory/numbers.json")))


def test_the_lectures_claims_are_all_there_once() -> None:
    assert sorted(registry.load("claims", name).NUMBER for name in NAMES) == list(range(1, len(NAMES) + 1))
    assert len(NAMES) >= 13


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_says_what_it_is_and_names_a_figure(name: str) -> None:
    item = registry.load("claims", name)
    assert min(len(item.CLAIM), len(item.MEASURE)) > 30
    place, _, figure = item.FIGURE.partition("-")
    drawn = registry.load("figures", figure)
    assert place == drawn.SCOPE


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_numbers_give_a_verdict(evidence: Evidence, name: str) -> None:
    found = claim.assess(registry.load("claims", name), evidence)
    assert found["verdict"] in (HOLDS, PARTLY, FAILS) and len(found["words"]) > 20
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("name", NAMES)
def test_reversed_numbers_change_the_verdict(evidence: Evidence, name: str) -> None:
    item = registry.load("claims", name)
    numbers = item.measure(evidence)
    turned = item.reverse(numbers)
    assert turned.keys() == numbers.keys() and turned != numbers
    assert item.judge(turned)[0] != item.judge(numbers)[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_verdict_depends_on_the_numbers_alone_and_leaves_them(evidence: Evidence, name: str) -> None:
    item = registry.load("claims", name)
    numbers = item.measure(evidence)
    before = json.dumps(numbers)
    assert item.judge(json.loads(before)) == item.judge(numbers)
    item.reverse(numbers)
    assert json.dumps(numbers) == before


@pytest.mark.parametrize("name", NAMES)
def test_without_studies_no_claim_fails_to_answer(evidence: Evidence, name: str) -> None:
    found = claim.assess(registry.load("claims", name), Evidence({}, evidence.theory))
    assert found["verdict"] in claim.VERDICTS and (found["verdict"] == UNTESTED) == (found["numbers"] is None)


def row(median: float | None, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"median": median, "ci95": [low, high], "learns": True, "recurrent": True} | more


def test_an_advantage_is_the_gap_between_intervals() -> None:
    good, bad, wide = row(1.0, 0.9, 1.1), row(3.0, 2.2, 4.0), row(2.0, 1.0, 3.0)
    assert claim.advantage(good, bad, higher=False) == pytest.approx(2.0)
    assert claim.advantage(bad, good, higher=False) == pytest.approx(0.5)
    assert claim.advantage(good, bad, higher=True) == pytest.approx(0.5)
    assert claim.advantage(good, wide, higher=False) == 1.0
    assert claim.advantage(good, row(None, 0, 0), higher=False) is None


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"a": 2.0, "b": 1.0}, HOLDS),
        ({"a": 2.0, "b": 3.0, "c": 0.9}, PARTLY),
        ({"a": 2.0, "b": 0.6}, PARTLY),  # a tie, won by the larger factor
        ({"a": 2.0, "b": 0.4}, FAILS),
        ({"a": 1.0, "b": 1.0}, FAILS),
        ({"a": 0.5}, FAILS),
        ({}, FAILS),
    ],
)
def test_a_balance_counts_gains_and_losses_and_turned_it_changes(factors: dict[str, float], expected: str) -> None:
    assert claim.balance(factors) == expected
    assert not factors or claim.balance(claim.turned(factors)) != expected


def recall(**medians: float) -> dict[str, Any]:
    rows = {name: row(median, median, median, steps=50) for name, median in medians.items()}
    return {"task": "recall", "better": "lower", "methods": rows}


def test_who_explains_the_variance_remembers() -> None:
    rows = recall(rnn=1 / 6, lstm=1 / 600, rnn_identity=1 / 12)["methods"]
    assert [round(claim.explained(each), 3) for each in rows.values()] == [0.0, 0.99, 0.5]
    assert claim.reach({"50": 0.95, "100": 0.91, "200": 0.5}) == 100 and claim.reach({"50": 0.5}) == 0


def test_the_claims_of_memory_follow_the_recalls() -> None:
    memory, far = registry.load("claims", "lstm_remembers"), registry.load("claims", "far_inputs")
    gone, known = 1 / 6, 1e-4

    def verdicts(**medians: float) -> tuple[str, str]:
        evidence = Evidence({"recall_50": recall(**medians)}, {})
        return memory.judge(memory.measure(evidence))[0], far.judge(far.measure(evidence))[0]

    assert verdicts(rnn=gone, lstm=known, rnn_identity=gone) == (HOLDS, HOLDS)
    assert verdicts(rnn=gone, lstm=gone, lstm_chrono=known, rnn_identity=known) == (PARTLY, FAILS)
    assert verdicts(rnn=known, lstm=known, rnn_identity=gone) == (FAILS, HOLDS)


def test_feed_forward_compares_the_best_of_either_kind() -> None:
    item = registry.load("claims", "feed_forward")
    plain, good, weak = row(1.0, 0.9, 1.1, recurrent=False), row(0.5, 0.4, 0.6), row(2.0, 1.8, 2.2)

    def verdict(*rows: dict[str, Any]) -> str:
        methods = {str(place): each for place, each in enumerate(rows)}
        return str(item.judge(item.measure(Evidence({"a": {"better": "lower", "methods": methods}}, {})))[0])

    assert verdict(plain, good, weak) == HOLDS and verdict(plain, weak) == FAILS
    assert item.measure(Evidence({"a": {"better": "lower", "methods": {"only": good}}}, {})) is None


@pytest.mark.parametrize("name", NAMES)
def test_where_every_seed_diverged_no_claim_fails_to_answer(evidence: Evidence, name: str) -> None:
    studies = json.loads(json.dumps(evidence.studies))
    for study in studies.values():
        for each in study["methods"].values():
            each |= {"median": None, "mean": None, "ci95": [None, None]}
    found = claim.assess(registry.load("claims", name), Evidence(studies, evidence.theory))
    assert found["verdict"] in claim.VERDICTS
