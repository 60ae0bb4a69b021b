"""The test sets of a study side by side, with what others have published."""

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from unrolled.report.figure import StudyFigure
from unrolled.report.results import FIRST, Evaluation, ends
from unrolled.report.style import new, title


class TestSets(StudyFigure):
    """A panel for each test set, a line for each method."""

    __test__ = False  # pytest would take it for tests
    caption = (
        "Error on each test set, geometric mean over the seeds with its t interval, lowest on the first at the top. "
        "Open diamonds: published for a method of that kind; the table of published values says where what is scored "
        "differs."
    )

    def applies(self, study: Evaluation) -> bool:
        """Return whether there is more than one test set."""
        return len(study.test_sets) > 1 and len(study.ranked) > 0

    def draw(self, study: Evaluation) -> Figure:
        """Draw scores, intervals and published values."""
        order, tests = study.ranked[::-1], study.test_sets
        figure, axes = new(9.5, 1.2 + 0.32 * len(order), columns=len(tests), sharey=True)
        for axis, (test, names) in zip(axes[0], tests.items(), strict=True):
            for height, name in enumerate(order):
                found, look = study.on(name, test), study.look(name)
                if found["score"] is not None:
                    axis.plot(ends(found), [height] * 2, color=look.colour, lw=2.2)
                    axis.plot(found["score"], height, look.marker, color=look.colour, ms=7.5, mec="white", mew=0.8)
            for entry in study.published:
                if entry.get("test", FIRST) == test and entry["method"] in order:
                    height = order.index(entry["method"])
                    axis.plot(entry["value"], height, "D", color="black", mfc="none", ms=5.5, mew=1)
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.set_xlabel(f"{names.get('score', 'RMSE')} ({names['unit']})")
            axis.set_title(names["label"])
        axes[0, 0].set_yticks(range(len(order)), study.labels(order, 30), fontsize=8)
        title(figure, self._title(study))
        return figure

    @staticmethod
    def _title(study: Evaluation) -> str:
        said = []
        for test, names in study.test_sets.items():
            lowest = study.ranked[0] if test == FIRST else study.lowest_on(test)
            if lowest is None:
                said.append(f"none on “{names['label'].lower()}”")
                continue
            error = f"{study.on(lowest, test)['score']:.2g} {names['unit']}".removesuffix(" dimensionless")
            said.append(f"{study.label_of(lowest)} on “{names['label'].lower()}” ({error})")
        return f"Lowest error, by points: {', '.join(said)}"
