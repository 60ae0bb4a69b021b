"""The contract of a figure: a file in `report/figures/` defines one class of either kind, and the page shows it.

The title of a drawn figure (its `suptitle`, by `style.title`) states the finding, computed from the numbers; it is also
the figure's text alternative on the page. Every axis names its quantity and its unit.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import matplotlib.figure as mpl

from unrolled import registry
from unrolled.report.results import Evaluation, Results

LEADING = 30
"""The order up to which a study's figures stand unfolded."""


class StudyFigure(registry.Item, ABC):
    """A figure of one study, drawn for every study that it applies to."""

    caption: ClassVar[str]
    order: ClassVar[int] = 50
    """Its place among the figures of a study: lowest first, ties by name; those up to `LEADING` stand unfolded."""
    heading: ClassVar[str] = ""
    """What stands above it, if anything."""

    def applies(self, study: Evaluation) -> bool:
        """Return whether the study has what it shows."""
        return True

    @abstractmethod
    def draw(self, study: Evaluation) -> mpl.Figure:
        """Draw it, with a title."""


class OverviewFigure(registry.Item, ABC):
    """A figure of all studies, or of the random networks.

    In the section on trust, beside the leaderboard (`overview`), or in the chapter on why networks forget.
    """

    section: ClassVar[Literal["trust", "overview", "why"]]
    caption: ClassVar[str]
    order: ClassVar[int] = 50
    """Its place in its section: lowest first, ties by name."""
    heading: ClassVar[str] = ""
    introduction: ClassVar[str] = ""
    """What stands between heading and figure, in HTML."""

    def applies(self, results: Results) -> bool:
        """Return whether the results have what it shows."""
        return True

    @abstractmethod
    def draw(self, results: Results) -> mpl.Figure:
        """Draw it, with a title."""
