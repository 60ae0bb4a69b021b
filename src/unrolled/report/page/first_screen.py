"""The first screen: the answer in a few words, what each network remembers, and what to take for a task."""

from collections import Counter
from functools import partial
from typing import Any

from markupsafe import Markup, escape

from unrolled.report.page.table import Cell, Table, Value, heat, small, swatch, table
from unrolled.report.results import Evaluation, Results, followed, recalls
from unrolled.report.words import listed, number

GROUPS = {
    "memory": "Remember values far back",
    "driven": "Follow a driven system",
    "chaos": "Forecast chaos in closed loop",
    "autonomous": "Forecast an oscillation",
    "measured": "Model measured data",
}
"""What a study of each group asks for, in the order of the page."""
SURE = {
    "better": ("●●●", "better", " than the next"),
    "equivalent": ("●●○", "as good", " as the next"),
    "undecided": ("●○○", "not settled", ""),
    "worse": ("○○○", "the next scores better", ""),
}
"""How sure a choice is, by the answer of the chosen method against the one that validation would choose next.

Dots, words, and what a sentence adds to them.
"""
VERDICTS = {
    "holds": "Yes",
    "holds in part": "On some studies",
    "does not hold here": "No",
    "undecided": "Not settled",
    "not tested here": "Not tested here",
}
MOST = 4
"""How many trainings that have not converged are named."""


def share(study: Evaluation, method: str) -> float:
    """Return the share of the variance that a method recalls, 1 - MSE / that of always answering the mean.

    The mean over the seeds, since some may solve it and others not; one that diverges recalls nothing.
    """
    chance = study.metrics["recall"]["chance"]
    seeds = study.methods[method]["seeds"]
    return sum(max(0.0, 1 - seed / chance) for seed in seeds if seed is not None) / len(seeds)


def answer(studies: list[Evaluation]) -> str:
    """Return the answer to the page's question, in about forty words."""
    said = []
    for group, words in (
        ("driven", "driven systems"),
        ("chaos", "chaos in closed loop"),
        ("measured", "measured data"),
    ):
        chosen = [each.best_label for each in studies if each.metrics["group"] == group and each.best is not None]
        if chosen:
            said.append(f"for {words} {listed(dict.fromkeys(chosen), last=' or ')}")
    rest = f"Validation chooses {'; '.join(said)}." if said else ""
    return " ".join(filter(None, (memory(recalls(studies)), rest)))


def memory(asked: list[Evaluation]) -> str:
    """Say over how many steps what is remembered, and by which methods."""
    if not asked:
        return ""
    able = [study for study in asked if study.solvers]
    if not able:
        return f"No network here recalls values over {asked[0].recall_steps} steps."
    longest = able[-1]
    text = f"Values seen {longest.recall_steps} steps ago are recalled by {listed(longest.labels(longest.solvers[:3]))}"
    reference = longest.metrics["reference"]
    if reference is None:
        return f"{text}."
    simple = [study for study in asked if reference in study.solvers]
    reach = f"recalls up to {simple[-1].recall_steps}" if simple else f"fails already at {asked[0].recall_steps}"
    return f"{text}; the {longest.label_of(reference)} {reach}."


def memory_map(results: Results, experiments: dict[str, dict[str, Any]]) -> Table | None:
    """Return which share of the variance each method recalls over each length."""
    asked = recalls(results.studies)
    if not asked:
        return None
    owner = followed(asked)
    families = list(dict.fromkeys(look["family"] for study in asked for look in study.methods.values()))
    order = sorted(owner, key=lambda name: families.index(owner[name].methods[name]["family"]))

    def cell(study: Evaluation, name: str) -> Value | Markup:
        if name not in study.methods:
            reason = experiments[study.name]["absent"].get(name, "not in this study's list")
            return Value(Markup('<span title="{}">not run</span>').format(reason), -1.0, "hatched")
        known, row = share(study, name), study.methods[name]
        mark = " ✓" if name in study.solvers else ""
        text = study.without_score(name) if row["score"] is None else f"{known:.0%}{mark}"
        state = "" if row["converged"] or mark else row["state"] or ""
        return Value(escape(text) + small(state), known, heat(known))

    columns: dict[str, Cell] = {"method": lambda name: swatch(owner[name], name, code=False)}
    for study in asked:
        columns[Markup('<a href="#{}">{} steps</a>').format(study.name, study.recall_steps)] = partial(cell, study)
    return table("Share of the variance recalled", columns, order, method=str)


def choices(studies: list[Evaluation], answers: dict[str, Any]) -> Table | None:
    """Return what to take for a task: the method that validation chooses, the next one, and how sure the choice is."""
    known = answers.get("choices", {})
    asked = recalls(studies)
    longest = ([study for study in asked if study.solvers] or asked)[-1:]
    kept = [study for study in studies if study not in asked] + longest
    order = [study for group in GROUPS for study in kept if study.metrics["group"] == group and study.name in known]

    def task(study: Evaluation) -> str:
        link = Markup('<a href="#{}">{}</a>').format(study.name, study.label)
        return Markup("{}{}").format(GROUPS[study.metrics["group"]], small(link))

    def choice(study: Evaluation) -> str:
        best = str(study.best)
        return swatch(study, best, code=False) + small(study.in_brief(best))

    def sure(study: Evaluation) -> str:
        found = known[study.name]
        dots, words, more = SURE[found["answer"]]
        ratio = "" if found.get("ratio") is None else f", × {number(found['ratio'])}"
        state = study.methods[str(study.best)]
        late = "" if state["converged"] or not state["state"] else f"; {state['state']}"
        return Markup('<span class="sure" title="{}">{}</span>').format(found["note"] or words + more, dots) + small(
            f"{words}{ratio}{late}"
        )

    columns: dict[str, Cell] = {
        "task": task,
        "choose": choice,
        "next": lambda study: escape(study.label_of(known[study.name]["other"])),
        "how sure": sure,
    }
    return table("Choose for your task", columns, order) if order else None


def short_answers(studies: list[Evaluation], answers: dict[str, Any], published: bool) -> list[tuple[str, str]]:
    """Return what a reader asks besides, each with its answer; some are others of the published study."""
    asked = [(each["question"], compared(each, studies)) for each in answers.get("questions", [])]
    decided = Counter("".join(SURE[each["answer"]][1:]) for each in answers.get("choices", {}).values())
    sure = ", ".join(f"{words} on {count}" for words, count in decided.most_common())
    seen = f"Against the method that validation would choose next, the chosen one is {sure} of the studies."
    rows = [(study, name, row) for study in studies for name, row in study.methods.items()]
    late = [
        f"{study.label_of(name)} on {study.label}" for study, name, row in rows if row["state"] == "still improving"
    ]
    more = f" and {len(late) - MOST} more" if len(late) > MOST else ""
    left = f"Still improving when training ended: {listed(late[:MOST])}{more}."
    run = "make repro: data, training and this page in a quarter of an hour on two cores."
    if published:
        run = "make full, in any number of sittings; make repro is a smaller one, in a quarter of an hour on two cores."
    return [
        *asked,
        *([("How sure are the choices?", seen)] if decided else []),
        ("What has not converged?", left if late else "Nothing: every training has come to its end."),
        ("How do I run it?", run),
    ]


def compared(asked: dict[str, Any], studies: list[Evaluation]) -> str:
    """Return the answer to a question about two kinds of method: on which studies, and over all."""
    labels = {study.name: study.label for study in studies}
    by = {word: [labels[name] for name, pair in asked["pairs"].items() if pair["answer"] == word] for word in SURE}
    said = [f"{word} on {len(by[word])} ({listed(by[word])})" for word in ("better", "worse") if by[word]]
    said += [f"{word} on {len(by[word])}" for word in ("equivalent", "undecided") if by[word]]
    mean = asked["over_studies"]
    if mean is not None and len(mean["weights"]) > 1:
        said.append(f"mean ratio over {len(mean['weights'])} studies {number(mean['ratio'])}, {mean['answer']}")
    return ": ".join(filter(None, (VERDICTS[asked["verdict"]], "; ".join(said)))) + "."
