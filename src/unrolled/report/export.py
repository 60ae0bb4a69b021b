"""Figures for papers and slides: the report's own, in a format that a document takes."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from unrolled import paths
from unrolled.errors import Fault, UnrolledError, attempt
from unrolled.files import write_atomic
from unrolled.processes import side_by_side
from unrolled.report.figure import StudyFigure
from unrolled.report.gallery import FEW, Plan, drawing, planned
from unrolled.report.results import Results, plain
from unrolled.report.style import saved


def export(
    results: Results,
    own: Sequence[str] = (),
    form: str = "png",
    dpi: int = 200,
    folder: Path = paths.EXPORTED,
    show: Callable[[int, int, str], None] = lambda done, count, stem: None,
) -> list[Path]:
    """Draw the figures of some results again, each a file `STUDY-NAME.FORMAT` or `NAME.FORMAT`.

    Parameters
    ----------
    results : Results
    own : sequence of str
        Only the figures of these studies; by default all, those of all studies together included.
    form : str
        One of `style.FORMATS`.
    dpi : int
        Pixels per inch of a PNG, and of what is an image in a PDF.
    folder : Path
    show : function
        Gets how many are drawn, how many there will be, and the name of the last.

    Returns
    -------
    list of Path

    Raises
    ------
    UnrolledError
        If there are none, or some could not be drawn; all others are there.
    """
    plans = [plan for plan in planned(results) if not own or isinstance(plan.item, StudyFigure)]
    if not plans:
        raise UnrolledError(f"no figure has anything to show of {', '.join(own) or 'these results'}")
    files, wrong = list[Path](), list[str]()
    work = partial(_attempt, form=form, dpi=dpi)
    every = side_by_side(work, plans) if len(plans) > FEW else map(work, plans)
    for plan, made in zip(plans, every, strict=True):
        if isinstance(made, Fault):
            wrong.append(f"{plan.stem} could not be drawn: {made}")
            continue
        files.append(folder / f"{plan.stem}.{form}")
        write_atomic(files[-1], made)
        show(len(files) + len(wrong), len(plans), plan.stem)
    if wrong:
        raise UnrolledError("\n".join(wrong))
    return files


def _attempt(plan: Plan, form: str, dpi: int) -> bytes | Fault:
    return attempt(partial(_draw, plan, form, dpi))


def _draw(plan: Plan, form: str, dpi: int) -> bytes:
    with drawing():
        return saved(plan.item.draw(plain(plan.given)), form, dpi)
