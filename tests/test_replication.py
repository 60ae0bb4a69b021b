"""Two runs side by side: what agrees, what differs and by how much, and what one of them lacks."""

from pathlib import Path
from typing import Any

import pytest

from conftest import Refused
from unrolled.analysis.claim import FAILS, HOLDS, PARTLY, SHOWN, UNDECIDED
from unrolled.analysis.replication import read, replication
from unrolled.files import write_json
from unrolled.report.terminal import replicated as lines


def studies(**scores: dict[str, float | None]) -> dict[str, Any]:
    """Return studies whose first method is chosen by validation."""
    return {
        name: {"methods": {m: {"score": s, "chosen_by_validation": m == next(iter(each))} for m, s in each.items()}}
        for name, each in scores.items()
    }


def claims(*verdicts: str) -> list[dict[str, Any]]:
    return [{"number": number, "verdict": verdict} for number, verdict in enumerate(verdicts, start=1)]


def test_a_run_agrees_with_itself() -> None:
    run = (studies(a={"rnn": 0.5, "gru": None}), claims(HOLDS, UNDECIDED))
    found = replication(run, run)
    assert all(each.agrees for each in found.found) and found.missing == [] and found.contradictions == []
    assert lines(found) == [
        "Nothing differs.",
        "verdicts: 2 of 2 agree",
        "winners: 1 of 1 agree by validation",
        "scores: 2 of 2 agree within a factor of 1.1; geometric mean ratio 1",
        "decided verdicts that contradict: 0",
    ]


@pytest.mark.parametrize(
    ("first", "second", "agrees", "contradicts"),
    [
        (HOLDS, HOLDS, True, False),
        (HOLDS, FAILS, False, True),
        (HOLDS, PARTLY, False, True),
        (HOLDS, UNDECIDED, False, False),
        (UNDECIDED, UNDECIDED, True, False),
        (SHOWN, SHOWN, True, False),
    ],
)
def test_only_decided_verdicts_contradict(first: str, second: str, agrees: bool, contradicts: bool) -> None:
    [found] = replication(({}, claims(first)), ({}, claims(second))).found
    assert (found.agrees, found.contradicts) == (agrees, contradicts)
    assert ("contradiction" in "\n".join(lines(replication(({}, claims(first)), ({}, claims(second)))))) == contradicts


def test_scores_differ_by_a_factor_either_way_and_winners_by_name() -> None:
    one = (studies(a={"rnn": 1.0, "gru": 2.0, "esn": 1.0}), [])
    other = (studies(a={"gru": 1.0, "rnn": 1.05, "esn": None}), [])
    for first, second in ((one, other), (other, one)):
        found = replication(first, second)
        scores = {each.what: (each.agrees, each.ratio) for each in found.of("score")}
        assert scores == {"a: rnn": (True, 1.05), "a: gru": (False, 2.0), "a: esn": (False, None)}
        [winner] = found.of("winner")
        assert {winner.first, winner.second} == {"rnn", "gru"} and not winner.agrees
        text = lines(found)
        assert "scores: 1 of 3 agree within a factor of 1.1; geometric mean ratio 1.45" in text
        assert any(
            line.split() == ["score", "a:", "gru", *sorted(["1", "2"], reverse=first is one), "2"] for line in text
        )
        assert any("diverged" in line for line in text)


def test_what_one_run_lacks_is_named() -> None:
    one = (studies(a={"rnn": 1.0, "gru": 1.0}, b={"rnn": 1.0}), claims(HOLDS))
    other = ({"c": {"not_run": "no data"}} | studies(a={"rnn": 1.0, "esn": 1.0}), claims(HOLDS, FAILS))
    found = replication(one, other)
    assert found.missing == [
        "claim 2 is not in the first run",
        "study b is not in the second run",
        "study c is not in the first run",
        "a: method esn is not in the first run",
        "a: method gru is not in the second run",
    ]
    assert lines(found)[-5:] == [f"missing: {each}" for each in found.missing]


def test_a_run_is_read_from_its_folder_its_reports_or_its_metrics(tmp_path: Path, refused: Refused) -> None:
    run = (studies(a={"rnn": 1.0}), claims(HOLDS))
    for name, content in zip(("metrics", "claims"), run, strict=True):
        write_json(tmp_path / "reports" / f"{name}.json", content)
    for place in (tmp_path, tmp_path / "reports", tmp_path / "reports" / "metrics.json"):
        assert read(place) == run
    with refused("none/reports/metrics.json is missing", "give a folder with metrics.json and claims.json"):
        read(tmp_path / "none")
    write_json(tmp_path / "reports" / "metrics.json", {"a": {"methods": {"rnn": {"median": 1.0}}}})
    with refused("is damaged, or of an older version"):
        read(tmp_path)
