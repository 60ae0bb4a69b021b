"""Published values against ours, as ratios."""

import textwrap
from typing import Any

from matplotlib.figure import Figure

from unrolled.report import published
from unrolled.report.figure import OverviewFigure
from unrolled.report.results import FIRST, Results
from unrolled.report.style import FAMILIES, GREY, SPARE, new, title


class Published(OverviewFigure):
    """One mark a published value: our score over it."""

    section = "trust"
    order = 10
    heading = "Published against ours"
    caption = (
        "Our score (geometric mean over the seeds, with its t interval) over the published one, of a study's first "
        "test set; left of the line ours has the smaller error. Above the rule: by the protocol of the source, "
        "apart from this run. Below it protocols differ: the table says how. Open: too different to compare."
    )

    def applies(self, results: Results) -> bool:
        """Return whether anything is published on the studies here."""
        return len(self._rows(results)) + len(self._followed(results)) > 0

    @staticmethod
    def _followed(results: Results) -> list[dict[str, Any]]:
        rows = published.followed(results.to_follow, results.literature or {})
        return [row for row in rows if row["ours"] is not None]

    @staticmethod
    def _rows(results: Results) -> list[dict[str, Any]]:
        return [row for row in published.compare(results.studies) if row.get("test", FIRST) == FIRST]

    def draw(self, results: Results) -> Figure:
        """Draw the ratios, in the order of the table."""
        known = {study.name: study for study in results.studies}
        rows, same = self._rows(results)[::-1], self._followed(results)[::-1]
        figure, axes = new(9, 1.4 + 0.3 * (len(rows) + len(same)))
        axis, labels = axes[0, 0], []
        for height, row in enumerate(same, len(rows)):
            low, high, value = row["interval"]["low"], row["interval"]["high"], row["value"]
            colour = FAMILIES.get(row["family"], SPARE)
            if low is not None:
                axis.plot([low / value, high / value], [height] * 2, color=colour, lw=1.8)
            axis.plot(row["ours"] / value, height, "s", color=colour, ms=7)
        for height, row in enumerate(rows):
            study, value = known[row["study"]], row["value"]
            look, low, high = study.look(row["method"]), row["interval"]["low"], row["interval"]["high"]
            compared = published.compares(row)
            if low is not None:
                axis.plot([low / value, high / value], [height] * 2, color=look.colour, lw=1.8)
            fill = look.colour if compared else "white"
            axis.plot(row["ours"] / value, height, look.marker, color=look.colour, mfc=fill, ms=7)
            own = study.label_of(row["method"])
            labels.append(textwrap.shorten(f"{study.label}: {row.get('model') or own}", 58, placeholder=" …"))
        for row in same:
            labels.append(textwrap.shorten(f"{row['model']}, {row['on']}", 58, placeholder=" …"))
        if rows and same:
            axis.axhline(len(rows) - 0.5, color=GREY, lw=0.8)
        axis.axvline(1, color="black", lw=1)
        axis.axvline(2, color=GREY, lw=0.8, ls=":")
        axis.set_xscale("log")
        axis.set_yticks(range(len(labels)), labels, fontsize=8.5)
        axis.set_ylim(-0.7, len(labels) - 0.3)
        axis.set_xlabel("our score over the published one (below 1: ours is the smaller error)")
        ratios = [row["ours"] / row["value"] for row in rows if published.compares(row)]
        met = sum(ratio <= 2 for ratio in ratios)
        said = f"Of {len(ratios)} published values that compare, ours is within a factor of two on {met}"
        if same:
            close = sum(1 / 1.02 <= row["ours"] / row["value"] <= 1.02 for row in same)
            said += f"; by the same protocol, within 2 % on {close} of {len(same)}"
        title(figure, said)
        return figure
