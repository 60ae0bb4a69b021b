"""Every claim: its contract, its verdict on made-up numbers, and that other numbers give another verdict."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from conftest import Experiments
from unrolled.analysis import claim
from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, UNTESTED, VERDICTS, Claim, Evidence, Numbers
from unrolled.registry import load, names

NAMES = names("claims")
CHANGES: dict[str, Callable[[float], float]] = {
    "inverse": lambda x: 1 / x if x else 1e9,
    "complement": lambda x: 1 - x,
    "negative": lambda x: -x,
    "zero": lambda x: 0.0,
    "small": lambda x: 1e-9,
    "large": lambda x: 1e9,
}


def row(median: float | None, low: float | None = None, high: float | None = None, **more: Any) -> dict[str, Any]:
    """Return the numbers of one method, by default the simple recurrent network."""
    method = {"cell": "elman", "initialiser": "uniform", "optimiser": "adam", "clip": None}
    interval = {"low": median if low is None else low, "high": median if high is None else high}
    facts = {"median": median, "mean": median, "interval": interval, "trains": True, "recurrent": True}
    return method | facts | more


def methods(random: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Return made-up numbers of a method for every cell, initialiser and optimiser there is."""
    made: list[dict[str, Any]] = [{}, {"clip": 1.0}]
    made += [{"cell": cell} for cell in names("cells")]
    made += [
        {"cell": cell, "initialiser": each} for cell in ("elman", "lstm", "leaky") for each in names("initialisers")
    ]
    starts = [("elman", "uniform"), ("elman", "echo_state"), ("leaky", "echo_state")]
    made += [{"cell": c, "initialiser": i, "optimiser": each} for c, i in starts for each in names("optimisers")]
    rows = {}
    for number, method in enumerate(made):
        cell, median = method.get("cell", "elman"), float(10 ** random.uniform(-4, -1))
        facts = {"recurrent": cell != "window", "trains": method.get("optimiser") != "fixed"}
        more = {"exponent": float(random.uniform(0, 2)), "rank": number + 1}
        rows[f"method_{number}"] = row(median, 0.9 * median, 1.1 * median, **facts, **more, **method)
    return rows


@pytest.fixture(scope="module")
def evidence(random_networks: Experiments) -> Evidence:
    """Return made-up studies, and what small random networks gave."""
    random, numbers = np.random.default_rng(0), json.loads(json.dumps(random_networks[0]))
    studies: dict[str, dict[str, Any]] = {"errors": {"better": "lower"}, "times": {"better": "higher"}}
    studies["times"]["lyapunov"] = 0.9
    for steps in (50, 200):
        recall = {"steps": steps, "chance": 1 / 6, "solved": 0.0016}
        studies[f"recall_{steps}"] = {"better": "lower", "recall": recall}
    return Evidence({n: {"lyapunov": None} | s | {"methods": methods(random)} for n, s in studies.items()}, numbers)


def measured(item: Claim, evidence: Evidence) -> Numbers:
    numbers = item.measure(evidence)
    assert numbers is not None, "the made-up studies lack a method that this claim is about"
    return numbers


@pytest.fixture(params=NAMES)
def item(request: pytest.FixtureRequest) -> Claim:
    """Return each claim."""
    made: Claim = load("claims", request.param)()
    return made


def test_every_claim_has_a_number_of_its_own() -> None:
    assert sorted(load("claims", name).number for name in NAMES) == list(range(1, len(NAMES) + 1))


def test_a_claim_says_what_it_is_and_names_a_figure(item: Claim) -> None:
    assert isinstance(item, Claim)
    assert min(len(item.statement), len(item.measured)) > 30
    assert item.figure in names("figures")


def test_a_claim_gives_a_verdict_that_json_can_hold(item: Claim, evidence: Evidence) -> None:
    found = item.assess(evidence)
    assert found["verdict"] in (HOLDS, PARTLY, FAILS) and len(found["words"]) > 20
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def paths(numbers: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every number and of every map of them."""
    if isinstance(numbers, dict):
        yield path
        for key, value in numbers.items():
            yield from paths(value, (*path, key))
    elif isinstance(numbers, int | float):
        yield path


def changed(numbers: Any, path: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    """Return the numbers with the part at a path replaced."""
    if not path:
        return change(numbers)
    return numbers | {path[0]: changed(numbers[path[0]], path[1:], change)}


def everywhere(change: Callable[[float], float]) -> Callable[[Any], Any]:
    """Return a change of every number in a part."""

    def of_part(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: of_part(value) for key, value in part.items()}
        return change(part) if isinstance(part, int | float) else part

    return of_part


def depth(part: Any) -> int | None:
    """Return how deep a map of maps of numbers is, 0 for a number, None for what is neither."""
    if isinstance(part, dict):
        return 1 + max((depth(each) or 0 for each in part.values()), default=0)
    return 0 if isinstance(part, int | float) else None


def swapped(numbers: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield the numbers with two entries of the map at a path exchanged, where they are alike."""
    part = numbers
    for key in path:
        part = part[key]
    for one, other in combinations(part, 2) if isinstance(part, dict) else ():
        if depth(part[one]) == depth(part[other]) is not None:
            yield changed(numbers, path, lambda p, a=one, b=other: p | {a: p[b], b: p[a]})


def mutations(numbers: Numbers) -> Iterator[Numbers]:
    """Yield numbers that some other measurement might have given."""
    for path in paths(numbers):
        for change in CHANGES.values():
            yield changed(numbers, path, everywhere(change))
        yield from swapped(numbers, path)


def test_other_numbers_change_the_verdict_and_none_is_without_one(item: Claim, evidence: Evidence) -> None:
    numbers = measured(item, evidence)
    judged = [item.judge(mutated) for mutated in mutations(numbers)]
    assert {verdict for verdict, _ in judged} <= set(VERDICTS)
    assert all(words for _, words in judged)
    assert {verdict for verdict, _ in judged} - {item.judge(numbers)[0]}


def test_a_verdict_depends_on_the_numbers_alone_and_leaves_them(item: Claim, evidence: Evidence) -> None:
    numbers = measured(item, evidence)
    before = deepcopy(numbers)
    assert item.judge(deepcopy(numbers)) == item.judge(numbers)
    assert numbers == before


def test_a_claim_without_its_studies_is_untested(item: Claim, evidence: Evidence) -> None:
    found = item.assess(Evidence({"not_run": {"not_run": "no data"}}, evidence.random_networks))
    assert found["verdict"] in VERDICTS and (found["verdict"] == UNTESTED) == (found["numbers"] is None)


def test_where_every_seed_diverged_a_claim_counts_no_gain(item: Claim, evidence: Evidence) -> None:
    studies = deepcopy(evidence.studies)
    for study in studies.values():
        for each in study["methods"].values():
            each |= {"median": None, "mean": None, "interval": {"low": None, "high": None}}
    found = item.assess(Evidence(studies, evidence.random_networks))
    assert found["verdict"] in VERDICTS
    assert not (found["numbers"] or {}).get("advantage"), "no study has a median"


def test_all_claims_come_by_number(evidence: Evidence) -> None:
    assert [each["number"] for each in claim.assess_all(evidence)] == list(range(1, len(NAMES) + 1))


def test_an_advantage_is_the_gap_between_intervals() -> None:
    good, bad, wide = row(1.0, 0.9, 1.1), row(3.0, 2.2, 4.0), row(2.0, 1.0, 3.0)
    assert claim.advantage(good, bad, higher=False) == pytest.approx(2.0)
    assert claim.advantage(bad, good, higher=False) == pytest.approx(0.5)
    assert claim.advantage(good, bad, higher=True) == pytest.approx(0.5)
    assert claim.advantage(good, wide, higher=False) == 1.0
    assert claim.advantage(good, row(None), higher=False) is None


def test_methods_are_compared_with_the_first_simple_network() -> None:
    rows = {
        "plain": row(2.0),
        "cut": row(9.0),
        "clipped": row(1.0, clip=0.1),
        "esn": row(4.0, initialiser="echo_state", cell="leaky"),
    }
    evidence = Evidence({"a": {"better": "lower", "methods": rows}, "b": {"better": "lower", "methods": {}}}, {})  # type: ignore[typeddict-item]
    assert claim.against(evidence, lambda each: each["cell"] == "leaky") == {"a": 0.5}
    assert claim.against(evidence, lambda each: each["clip"] is not None) == {"a": 2.0}
    assert claim.against(evidence, lambda each: each["cell"] == "gru") == {}


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
def test_a_balance_counts_gains_and_losses(factors: dict[str, float], expected: str) -> None:
    assert claim.balance(factors) == expected


def recall(*rows: dict[str, Any]) -> Evidence:
    """Return the evidence of one recall study."""
    facts = {"steps": 50, "chance": 1 / 6, "solved": 0.0016}
    study = {"better": "lower", "recall": facts, "methods": {str(number): each for number, each in enumerate(rows)}}
    return Evidence({"recall_50": study}, {})  # type: ignore[typeddict-item]


def test_who_explains_the_variance_remembers() -> None:
    shares = [claim.explained(row(median), 1 / 6) for median in (1 / 6, 1 / 600, 1 / 12, 1.0, None)]
    assert shares == pytest.approx([0.0, 0.99, 0.5, 0.0, 0.0], abs=1e-5)
    assert claim.reach({"50": 0.95, "100": 0.91, "200": 0.5}) == 100 and claim.reach({"50": 0.5}) == 0


def test_the_claims_of_memory_follow_the_recalls() -> None:
    memory, far = load("claims", "lstm_remembers")(), load("claims", "far_inputs")()
    gone, known = 1 / 6, 1e-4

    def verdicts(simple: float, lstm: float, identity: float, chrono: float = gone) -> tuple[str, str]:
        rows = [row(simple), row(lstm, cell="lstm"), row(chrono, initialiser="chrono", cell="lstm")]
        evidence = recall(*rows, row(identity, initialiser="identity"), row(known, cell="gru"))
        return memory.judge(memory.measure(evidence))[0], far.judge(far.measure(evidence))[0]

    assert verdicts(simple=gone, lstm=known, identity=gone) == (HOLDS, HOLDS)
    assert verdicts(simple=gone, lstm=gone, chrono=known, identity=known) == (PARTLY, FAILS)
    assert verdicts(simple=known, lstm=known, identity=gone) == (FAILS, HOLDS)


def test_feed_forward_compares_the_best_of_either_kind() -> None:
    item = load("claims", "feed_forward")()
    plain, good, weak = row(1.0, 0.9, 1.1, recurrent=False), row(0.5, 0.4, 0.6), row(2.0, 1.8, 2.2)

    def found(*rows: dict[str, Any]) -> Numbers | None:
        study = {"better": "lower", "methods": {str(place): each for place, each in enumerate(rows)}}
        numbers: Numbers | None = item.measure(Evidence({"a": study}, {}))  # type: ignore[typeddict-item]
        return numbers

    assert item.judge(found(plain, good, weak))[0] == HOLDS and item.judge(found(plain, weak))[0] == FAILS
    assert found(good) is None
    assert found(plain, good, row(0.1, trains=False)) == found(plain, good)
