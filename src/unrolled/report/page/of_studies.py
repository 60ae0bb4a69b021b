"""Tables whose rows are studies, published values or claims."""

import re
from functools import partial
from typing import Any

from markupsafe import Markup, escape

from unrolled.analysis.replication import Agreement, Replication, counts
from unrolled.report.page.table import Cell, Table, or_nothing, small, spread, swatch, table
from unrolled.report.published import NOT_RUN
from unrolled.report.results import FIRST, Evaluation
from unrolled.report.words import number

KINDS = ("many-to-one", "one-to-many", "many-to-many")


def kinds(studies: list[Evaluation]) -> Table:
    """Return which task each study is."""
    columns: dict[str, Cell] = {
        "study": lambda study: Markup('<a href="#{}">{}</a> <code>{}</code>').format(
            study.name, study.label, study.name
        ),
        "task": lambda study: study.metrics["task"].replace("_", " "),
    }
    columns |= {kind: partial(_is, kind) for kind in KINDS}
    columns |= {
        "closed loop": lambda study: "●" if study.metrics["closed_loop"] else "",
        "steps": lambda study: str(study.metrics["steps"] or ""),
        "score": lambda study: study.score,
    }
    return table("Which task each study is", columns, studies, prose=("score",))


def _is(kind: str, study: Evaluation) -> str:
    return "●" if study.metrics["kind"] == kind else ""


def published(rows: list[dict[str, Any]], studies: list[Evaluation]) -> Table | None:
    """Return what others have published, beside ours."""
    known = {study.name: study for study in studies}
    notes = list(dict.fromkeys(_note(row) for row in rows))

    def where(row: dict[str, Any]) -> str:
        study, test = known[row["study"]], row.get("test", FIRST)
        return escape(study.label) + small("" if test == FIRST else study.test_sets[test]["label"])

    def method(row: dict[str, Any]) -> str:
        return swatch(known[row["study"]], row["method"]) + small(row.get("model", ""))

    columns: dict[str, Cell] = {
        "study": where,
        "method": method,
        "score": lambda row: escape(known[row["study"]].metrics["score_label"]) + small(row["unit"]),
        "published": lambda row: number(row["value"]),
        "ours": lambda row: number(row["ours"]) + small(spread(row["interval"])),
        "verdict": lambda row: row["verdict"],
        "best here": lambda row: (
            escape(known[row["study"]].label_of(row["best_here"])) + small(number(row["best_score"]))
        ),
        "source": lambda row: Markup('<a href="#source-{0}">[{0}]</a>').format(notes.index(_note(row)) + 1),
    }
    return table("Published against ours", columns, rows, prose=("verdict",)) if rows else None


def followed(rows: list[dict[str, Any]]) -> Table | None:
    """Return published values beside ours by the same protocol, with what was followed."""

    def ours(row: dict[str, Any]) -> str:
        if row["ours"] is None:
            return NOT_RUN
        kind = small(row["interval"]["kind"] if row.get("statistic") else "")
        return number(row["ours"]) + small(spread(row["interval"])) + kind

    columns: dict[str, Cell] = {
        "model": lambda row: escape(row["model"]) + small(row.get("on", row.get("test", ""))),
        "score": lambda row: escape(f"{row.get('score', '')} ") + small(row.get("unit", "")),
        "published": lambda row: number(row["value"]),
        "ours": ours,
        "verdict": lambda row: row["verdict"],
        "protocol": lambda row: (
            f"{'the same' if row['protocol'] == 'same' else 'nearly'}: {row['followed']}"
            + (f". What differs: {row['differs']}" if "differs" in row else "")
        ),
        "source": lambda row: linked(row["source"]),
    }
    prose = ("verdict", "protocol", "source")
    return table("By the published protocols", columns, rows, prose=prose) if rows else None


def sources(rows: list[dict[str, Any]]) -> list[Markup]:
    """Return where the published values come from and what differs there, each once."""
    return [linked(note) for note in dict.fromkeys(_note(row) for row in rows)]


def _note(row: dict[str, Any]) -> str:
    return f"{row['source']}. What differs: {row['differs']}"


def linked(text: str) -> Markup:
    """Return a text in which every DOI and arXiv number is a link."""
    said = str(escape(text))
    said = re.sub(r"doi (10\.[^\s,:;]+[^\s,:;.])", r'<a href="https://doi.org/\1">doi \1</a>', said)
    return Markup(re.sub(r"arXiv (\d{4}\.\d{5})", r'<a href="https://arxiv.org/abs/\1">arXiv \1</a>', said))


def claims(known: list[dict[str, Any]], figures: set[str]) -> Table | None:
    """Return the lecture's claims with their verdicts."""

    def words(claim: dict[str, Any]) -> str:
        link = Markup(' <a href="#{}-figure">Figure</a>.').format(claim["figure"]) if claim["figure"] in figures else ""
        return escape(claim["words"]) + link + small(f"Measured: {claim['measure']}")

    def stable(claim: dict[str, Any]) -> str:
        if claim["kind"] == "demonstration":
            return "demonstration"
        return "" if claim["stability"] is None else f"stability {claim['stability']:.2f}"

    columns: dict[str, Cell] = {
        "": lambda claim: str(claim["number"]),
        "claim": lambda claim: claim["claim"],
        "verdict": lambda claim: Markup("<b>{}</b>").format(claim["verdict"]) + small(stable(claim)),
        "what the numbers say": words,
    }
    prose = ("claim", "what the numbers say")
    return table("The claims", columns, known, prose, lambda claim: f"claim-{claim['number']}") if known else None


def replication(found: Replication) -> tuple[list[str], Table | None]:
    """Return how much of the published study this run confirms, in lines, and what differs, as a table."""
    columns: dict[str, Cell] = {
        "": lambda each: f"{each.kind}, {each.what}",
        "here": lambda each: each.second,
        "published": lambda each: each.first,
        "ratio": lambda each: or_nothing(each.ratio),
        "contradiction": lambda each: "●" if each.contradicts else "",
    }
    missing = [f"{len(found.missing)} claims, studies or methods are in one of them only"] if found.missing else []
    order: list[Agreement] = sorted(found.differing, key=lambda each: not each.contradicts)
    differing = table("What this run says differently from the published study", columns, order) if order else None
    return [*counts(found), *missing], differing


def spreads(found: dict[str, dict[str, Any]], studies: list[Evaluation]) -> tuple[list[str], Table] | None:
    """Return what seeds of weights and of data make of the scores: a line a study, and a table of the methods."""
    known = {study.name: study for study in studies if study.name in found}
    if not known:
        return None
    lines = [
        f"{study.label}: from weights to weights by a factor of {found[name]['weights']:.3g}, "
        f"from data to data by {found[name]['data']:.3g}"
        for name, study in known.items()
    ]
    rows = [(known[name], method, row) for name in known for method, row in found[name]["methods"].items()]
    columns: dict[str, Cell] = {
        "study": lambda each: escape(each[0].label),
        "method": lambda each: swatch(each[0], each[1]),
        "score": lambda each: number(each[2]["first"]),
        "on other data": lambda each: number(each[2]["again"]),
        "ratio": lambda each: number(each[2]["ratio"]),
    }
    return lines, table("Scores on two sets of data", columns, rows)
