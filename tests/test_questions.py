"""What a reader asks beside the claims: which method for a study, common choices, and a run in few numbers."""

from typing import Any

import numpy as np
import pytest

from unrolled.analysis import questions
from unrolled.analysis.claim import HOLDS, UNDECIDED, Evidence
from unrolled.analysis.comparison import Pair, family
from unrolled.analysis.questions import answers, decided, headline, reversed_, runner_up


def row(score: float, loss: float | None = None, cell: str = "elman", **more: Any) -> dict[str, Any]:
    """Return a method that seven seeds gave a score, by Adam from uniform weights."""
    found = {"score": score, "val_loss": score if loss is None else loss, "trains": True, "state": "converged"}
    found |= {"logs": {"mean": float(np.log(score)), "variance": 0.01, "n": 7}, "seeds": [score] * 7}
    found |= {"cell": cell, "initialiser": "uniform", "optimiser": "adam", "clip": None, "chosen_by_validation": False}
    return found | more


def study(**rows: dict[str, Any]) -> dict[str, Any]:
    sequences = {"blocks": 0, "variance": {}}
    about = {"reference": "rnn" if "rnn" in rows else None, "better": "lower", "group": "driven"}
    return {"methods": rows, "sequences": sequences} | about


def test_the_choice_is_held_against_what_validation_would_choose_next() -> None:
    rows = {"a": row(1.0, 0.3), "b": row(0.5, 0.2), "c": row(0.1, 0.1, trains=False), "d": row(2.0, 0.25)}
    assert runner_up(rows) == Pair("", "b", "d"), "by validation, not by test score; what is not trained is no choice"
    assert runner_up({"a": row(1.0)}) is None


def test_every_question_is_answered_by_its_pairs() -> None:
    rows = {"rnn": row(1.0), "clipped": row(1.0, clip=0.1), "orthogonal": row(0.5, initialiser="orthogonal")}
    rows |= {"lstm": row(0.2, cell="lstm"), "gru": row(0.1, cell="gru"), "later": row(9.0, cell="gru")}
    worse = study(**rows | {"rnn": row(1.1), "lstm": row(0.21, cell="lstm")})
    found = answers(Evidence({"a": study(**rows), "b": worse}, {}))  # type: ignore[arg-type]
    said = {each["id"]: each for each in found["questions"]}
    assert found["choices"]["a"]["one"] == "gru" and found["choices"]["a"]["other"] == "lstm"
    assert {name: each["pairs"]["a"]["answer"] for name, each in said.items()} == {
        "clipping": "undecided",
        "initialisation": "better",
        "gates": "better",
        "lstm": "worse",
    }
    assert said["gates"]["pairs"]["b"]["one"] == "gru", "the first of the table that fits"
    assert said["gates"]["verdict"] == HOLDS
    none = answers(Evidence({"a": study(esn=row(1.0, optimiser="ridge"))}, {}))  # type: ignore[arg-type]
    assert none["choices"] == {} and {each["verdict"] for each in none["questions"]} == {"not tested here"}


def test_what_a_claim_has_decided_keeps_its_answer_either_way_round() -> None:
    studies = {"a": study(rnn=row(1.0), gru=row(0.5, cell="gru"))}
    known = family(studies, [Pair("a", "rnn", "gru")])
    known[Pair("a", "rnn", "gru")] |= {"note": "of a claim"}
    evidence = Evidence(studies, {}, known)  # type: ignore[arg-type]
    [same] = decided(evidence, [Pair("a", "rnn", "gru")]).values()
    [turned] = decided(evidence, [Pair("a", "gru", "rnn")]).values()
    assert same is known[Pair("a", "rnn", "gru")] and (same["ratio"], same["answer"]) == (0.5, "worse")
    assert (turned["one"], turned["ratio"], turned["answer"], turned["note"]) == ("gru", 2.0, "better", "of a claim")
    assert reversed_(turned) == same


def test_a_run_in_few_numbers() -> None:
    first = study(rnn=row(1.0), gru=row(0.25, chosen_by_validation=True))
    second = study(rnn=row(2.0), gru=row(2.0, chosen_by_validation=True, state="at chance"))
    longer = study(rnn=row(1.0), gru=row(3.0, chosen_by_validation=True)) | {"better": "higher", "group": "chaos"}
    alone = study(esn=row(1.0, chosen_by_validation=True)) | {"group": "memory"}
    lost = study(rnn=row(1.0) | {"score": None}, gru=row(1.0, chosen_by_validation=True))
    claims = [{"verdict": HOLDS}, {"verdict": UNDECIDED}]
    found = headline({"a": first, "b": second, "c": longer, "d": alone, "e": lost}, claims)
    assert found == {
        "gain": {"driven": pytest.approx(2.0), "chaos": pytest.approx(3.0)},
        "converged": 0.889,
        "decided": 1,
    }
    assert headline({}, []) == {"gain": {}, "converged": None, "decided": 0}


def test_each_question_has_an_id_of_its_own() -> None:
    ids = [each.id for each in questions.QUESTIONS]
    assert len(set(ids)) == len(ids)
