"""What a reader asks beside the lecture's claims: which method for a study, and is a common choice worth it."""

import math
from typing import Any, NamedTuple

from unrolled.analysis.claim import DECIDED, UNTESTED, Evidence, against, balance, network, simple
from unrolled.analysis.comparison import Comparison, Pair, Row, best_by_validation, family, over_studies


class Question(NamedTuple):
    """Whether `one` kind of method is better than `other`, each given by a description of its row."""

    id: str
    words: str
    one: Any
    other: Any


QUESTIONS = (
    Question("clipping", "Is clipping the gradient worth it?", network("elman", clipped=True), simple),
    Question("initialisation", "Does orthogonal initialisation help?", network("elman", "orthogonal"), simple),
    Question("gates", "Is the GRU better than the simple RNN?", network("gru"), simple),
    Question("lstm", "Is the LSTM better than the GRU?", network("lstm"), network("gru")),
)


def runner_up(rows: dict[str, Row]) -> Pair | None:
    """Return the method that validation chooses and the one that it would choose next, as a pair without a study."""
    known = {name: row for name, row in rows.items() if row["trains"] and row["score"] is not None}
    first = best_by_validation(known)
    second = best_by_validation({name: row for name, row in known.items() if name != first})
    return None if first is None or second is None else Pair("", first, second)


def answers(evidence: Evidence) -> dict[str, Any]:
    """Return what answers.json holds: of each study `choices`, of each question the pairs and what they come to.

    The pairs are a family of their own, corrected by Holm; one that a claim has decided keeps that answer.
    """
    chosen = {
        name: pair._replace(study=name) for name, _, rows in evidence.rows() if (pair := runner_up(rows)) is not None
    }
    asked = {question.id: against(evidence, question.one, question.other) for question in QUESTIONS}
    found = decided(evidence, [*chosen.values(), *(pair for pairs in asked.values() for pair in pairs)])
    return {
        "choices": {name: found[pair] for name, pair in chosen.items()},
        "questions": [_answered(each, {pair.study: found[pair] for pair in asked[each.id]}) for each in QUESTIONS],
    }


def decided(evidence: Evidence, pairs: list[Pair]) -> dict[Pair, Comparison]:
    """Return the comparisons of pairs: those that the claims have made, and the others as a family."""
    known = {pair: evidence.compared[pair] for pair in pairs if pair in evidence.compared}
    known |= {
        pair: reversed_(evidence.compared[back])
        for pair in pairs
        if pair not in known and (back := Pair(pair.study, pair.other, pair.one)) in evidence.compared
    }
    return known | family(evidence.studies, [pair for pair in pairs if pair not in known])


def reversed_(found: Comparison) -> Comparison:
    """Return a comparison the other way round."""
    turned = {"better": "worse", "worse": "better"}
    ratio = {} if found.get("ratio") is None else {"ratio": float(f"{1 / found['ratio']:.6g}")}
    sides = {"one": found["other"], "other": found["one"], "answer": turned.get(found["answer"], found["answer"])}
    return found | sides | ratio


def _answered(question: Question, pairs: dict[str, Comparison]) -> dict[str, Any]:
    numbers = {"pairs": pairs, "over_studies": over_studies(pairs)}
    verdict = balance(numbers) if pairs else UNTESTED
    return {"id": question.id, "question": question.words, "verdict": verdict, **numbers}


def headline(studies: dict[str, dict[str, Any]], claims: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a run in few numbers, for `dvc metrics`.

    `gain`: by how much the method that validation chooses betters the simple RNN, the geometric mean of the ratio of
    scores over the studies of each group; `converged`, the share of the trainings; `decided`, how many claims are.
    """
    logs: dict[str, list[float]] = {}
    states = []
    for study in studies.values():
        rows = study["methods"]
        states += [row["state"] for row in rows.values() if row["state"]]
        chosen = next((row["score"] for row in rows.values() if row["chosen_by_validation"]), None)
        simple_ = rows[study["reference"]]["score"] if study["reference"] else None
        if chosen and simple_:
            ratio = chosen / simple_ if study["better"] == "higher" else simple_ / chosen
            logs.setdefault(study["group"], []).append(math.log(ratio))
    return {
        "gain": {group: float(f"{math.exp(sum(each) / len(each)):.4g}") for group, each in logs.items()},
        "converged": round(states.count("converged") / len(states), 3) if states else None,
        "decided": sum(claim["verdict"] in DECIDED for claim in claims),
    }
