"""All figures, each a file: drawn where its source or its inputs have changed, else kept."""

import functools
import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

from unrolled import paths, registry
from unrolled.errors import Fault, UnrolledError, attempt
from unrolled.files import write_atomic
from unrolled.processes import side_by_side
from unrolled.report.figure import OverviewFigure, StudyFigure
from unrolled.report.results import Evaluation, Results, plain, read
from unrolled.report.style import plain_title, style, svg

RECORD = ".fingerprints.json"
"""Beside the figures: what each was drawn from, and its title."""
About = dict[str, Any]
FEW = 8
"""Figures up to which starting processes does not pay."""


@dataclass(frozen=True)
class Drawn:
    """A figure on the page: the stem of its file, title and size (px), and its item for caption and heading."""

    stem: str
    title: str
    width: int
    height: int
    item: StudyFigure | OverviewFigure
    study: str | None
    fault: str | None = None
    """Why there is none."""

    @property
    def section(self) -> str:
        """Where it stands: "trust", "overview", "why" or "study"."""
        return "study" if isinstance(self.item, StudyFigure) else self.item.section


@dataclass(frozen=True)
class Plan:
    """A figure to be: the item's name, and all that its `draw` takes."""

    name: str
    given: Evaluation | Results

    @property
    def item(self) -> Any:
        """The item of `report/figures/`."""
        return registry.load("figures", self.name)()

    @property
    def study(self) -> str | None:
        """The study that it is of, None where it is of all."""
        return self.given.name if isinstance(self.given, Evaluation) else None

    @property
    def stem(self) -> str:
        """The name of its file."""
        return f"{self.study}-{self.name}" if self.study else self.name

    @property
    def fingerprint(self) -> str:
        """A hash of all that it is drawn from, and with."""
        return hashlib.sha256(f"{_source(self.name)} {self.given.digest}".encode()).hexdigest()


def draw(results: Results, folder: Path = paths.FIGURES) -> list[Drawn]:
    """Make every figure that applies a file `STUDY-NAME.svg` or `NAME.svg`, and remove those that are no longer made.

    Returns
    -------
    list of Drawn
        In the order of the page.
    """
    plans = sorted(planned(results), key=lambda plan: (plan.item.order, plan.name))
    record = _record(folder)
    prints = {plan.stem: plan.fingerprint for plan in plans}
    todo = [plan for plan in plans if not _is_kept(folder, record, plan.stem, prints[plan.stem])]
    faults = dict[str, str]()
    for plan, made in zip(todo, _drawings(todo), strict=True):
        if isinstance(made, Fault):
            faults[plan.stem] = made
            continue
        drawing, about = made
        write_atomic(folder / f"{plan.stem}.svg", drawing)
        record[plan.stem] = about | {"fingerprint": prints[plan.stem]}
    _write(folder, {stem: record[stem] for stem in sorted(prints.keys() - faults)})
    for path in set(folder.glob("*.svg")) - {folder / f"{stem}.svg" for stem in prints.keys() - faults}:
        path.unlink()
    return [_drawn(plan, record.get(plan.stem, {}), faults.get(plan.stem)) for plan in plans]


def _drawn(plan: Plan, about: About, fault: str | None) -> Drawn:
    if fault is not None:
        return Drawn(plan.stem, "", 0, 0, plan.item, plan.study, fault)
    return Drawn(plan.stem, about["title"], about["width"], about["height"], plan.item, plan.study)


def draw_one(
    name: str,
    studies: Sequence[str],
    path: Path | None = None,
    root: Path = paths.REPORTS,
    families: Mapping[str, str] | None = None,
) -> Path:
    """Draw one figure, of one study or of all that are given, and return its file.

    Parameters
    ----------
    name : str
        A file of `report/figures/`.
    studies : sequence of str
        One where it is a figure of a study.
    path : Path, optional
        Where to; by default the figure's own place below `root`.
    root, families
        As in `results.read`.
    """
    item = registry.load("figures", name)()
    results = read(studies, root, families)
    if isinstance(item, StudyFigure) and len(results.studies) != 1:
        raise UnrolledError(f"'{name}' is a figure of one study: give the name of one that was run")
    plan = Plan(name, results.studies[0] if isinstance(item, StudyFigure) else results)
    if not item.applies(plan.given):
        raise UnrolledError(f"'{name}' has nothing to show of {', '.join(studies)}")
    made = _attempt(plan)
    if isinstance(made, Fault):
        raise UnrolledError(f"'{name}' could not be drawn: {made}")
    drawing, about = made
    target = path or root / "figures" / f"{plan.stem}.svg"
    write_atomic(target, drawing)
    if path is None:
        _write(target.parent, _record(target.parent) | {plan.stem: about | {"fingerprint": plan.fingerprint}})
    return target


def planned(results: Results) -> Iterator[Plan]:
    """Yield every figure that applies."""
    for name in registry.names("figures"):
        item = registry.load("figures", name)()
        given: Sequence[Any] = results.studies if isinstance(item, StudyFigure) else [results]
        for each in given:
            applies = attempt(partial(item.applies, each))
            if applies or isinstance(applies, Fault):  # then drawing it says what is wrong
                yield Plan(name, each)


def _drawings(plans: list[Plan]) -> list[tuple[bytes, About] | Fault]:
    if len(plans) <= FEW:
        return [_attempt(plan) for plan in plans]
    return list(side_by_side(_attempt, plans))


def _attempt(plan: Plan) -> tuple[bytes, About] | Fault:
    """Draw a figure, or say why it could not be drawn: the page is made without it."""
    return attempt(partial(_draw, plan))


def _draw(plan: Plan) -> tuple[bytes, About]:
    """Return the SVG, and what the page says of it."""
    with drawing():
        figure = plan.item.draw(plain(plan.given))
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        return svg(figure).encode(), {"title": plain_title(figure), "width": width, "height": height}


@contextmanager
def drawing() -> Iterator[None]:
    """Return the context in which a figure is drawn and saved."""
    with style(), warnings.catch_warnings():
        # Text stays text in an SVG, so a letter that the font for measuring lacks is a letter all the same; and a
        # label that is longer than the figure is wide leaves its edge, as the layout cannot make room for it.
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from |constrained_layout not applied ")
        yield


def _is_kept(folder: Path, record: dict[str, About], stem: str, fingerprint: str) -> bool:
    return stem in record and record[stem]["fingerprint"] == fingerprint and (folder / f"{stem}.svg").is_file()


def _record(folder: Path) -> dict[str, About]:
    try:
        found: dict[str, About] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # then everything is drawn
    return found


def _write(folder: Path, record: dict[str, About]) -> None:
    write_atomic(folder / RECORD, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())


@functools.cache
def _source(name: str) -> str:
    """Return a hash of the source that a figure is drawn with."""
    files = registry.sources(registry.path("figures", name))
    parts = [matplotlib.__version__.encode(), *(file.read_bytes() for file in files)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
