"""What the data of a study look like."""

from matplotlib.figure import Figure

from unrolled.report.style import Evaluation, new

SCOPE = "study"
CAPTION = "The numbers that the methods learn from, are tuned on and are tested on."
SHADES = {"train": "#0072B2", "val": "#E69F00", "test": "#D55E00"}
NAMES = {"train": "learning", "val": "validation", "test": "test"}


def applies(evaluation: Evaluation) -> bool:
    """Return True: every study has data."""
    return True


def draw(evaluation: Evaluation) -> Figure:
    """Draw each channel against time, coloured by split."""
    table = evaluation.tables["data"]
    channels = list(dict.fromkeys(table["channel"]))
    figure, axes = new(9, 1.1 + 1.15 * len(channels), rows=len(channels), sharex=True)
    for axis, channel in zip(axes[:, 0], channels, strict=True):
        for split, part in table[table["channel"] == channel].groupby("split", sort=False):
            axis.plot(part["time"], part["value"], color=SHADES[str(split)], lw=1.2, label=NAMES[str(split)])
        axis.set_ylabel(channel)
    axes[-1, 0].set_xlabel(f"time ({evaluation.units[0]})")
    many = len(table["split"].unique()) == 1
    if not many:
        axes[0, 0].legend(ncols=3, loc="upper right", bbox_to_anchor=(1, 1.2))
    figure.suptitle(_title(evaluation, many), x=0.01, ha="left")
    return figure


def _title(evaluation: Evaluation, many: bool) -> str:
    if many:
        channels = list(dict.fromkeys(evaluation.tables["data"]["channel"]))
        if channels[0] == "u":
            marked = evaluation.tables["data"].query("channel == 'm' and value == 1")["time"]
            return (
                f"One of the learning sequences: the values at the steps {' and '.join(f'{t:g}' for t in marked)} count"
            )
        driven = channels[0] == "F"
        return "One of the learning trajectories" + (": the force drives position and velocity" if driven else "")
    counts = evaluation.tables["data"].groupby("split").size()
    sizes = f"{counts['train']} to learn from, {counts['val']} to tune on, {counts['test']} to test on"
    return f"One series, cut into windows: {sizes}"
