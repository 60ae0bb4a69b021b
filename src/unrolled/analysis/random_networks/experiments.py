"""All experiments on random networks: their numbers, and their tables with the columns that figures read.

Every name that a claim, a figure or the page reads of them is stated here, or in the class or tuple
of columns named here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict

import pandas as pd

from unrolled.analysis.random_networks import autonomous, clipping, equations, gradient_map, newton, sensitivity
from unrolled.config import RandomNetworks
from unrolled.processes import side_by_side


class Numbers(TypedDict):
    """What `reports/random_networks/numbers.json` holds; `vanished` is the limit |log10| of `gradient_map`."""

    gradient_map: gradient_map.Numbers
    clipping: clipping.Numbers
    autonomous: autonomous.Numbers
    newton: newton.Numbers
    sensitivity: sensitivity.Numbers
    euler: equations.EulerNumbers
    linearity: equations.Linearity
    vanished: float


TABLES = {
    "gradient_map": gradient_map.COLUMNS,
    "initialisers": gradient_map.INITIALISED,
    "clipping": clipping.COLUMNS,
    "autonomous": autonomous.COLUMNS,
    "bifurcation": autonomous.BIFURCATION,
    "spectra": autonomous.SPECTRA,
    "newton": newton.COLUMNS,
    "sensitivity": sensitivity.COLUMNS,
    "euler": equations.COLUMNS,
    "scaling": equations.SCALING,
}
"""The columns of each table, a file `reports/random_networks/TABLE.csv`."""


MEASURES: dict[str, Callable[[RandomNetworks], pd.DataFrame]] = {
    "newton": newton.measure,
    "gradient_map": gradient_map.measure,
    "autonomous": autonomous.measure,
    "sensitivity": sensitivity.measure,
    "clipping": clipping.measure,
    "bifurcation": autonomous.bifurcation,
    "initialisers": gradient_map.initialised,
    "spectra": autonomous.spectra,
    "scaling": lambda row: equations.scaling(row.hidden, row.seed),
    "euler": lambda row: equations.compare(row.seed),
}
"""What makes each table, the longest first."""


def table(row: RandomNetworks, name: str) -> pd.DataFrame:
    """Return one table."""
    return MEASURES[name](row)


def run(row: RandomNetworks) -> tuple[Numbers, dict[str, pd.DataFrame]]:
    """Return all numbers, with six digits, and all tables, which are made side by side."""
    made = dict(zip(MEASURES, side_by_side(partial(table, row), MEASURES), strict=True))
    tables = {name: made[name] for name in TABLES}
    numbers: Numbers = {
        "gradient_map": gradient_map.numbers(tables["gradient_map"], tables["initialisers"], row.vanished),
        "clipping": clipping.numbers(tables["clipping"], row.clip),
        "autonomous": autonomous.numbers(tables["autonomous"], tables["spectra"]),
        "newton": newton.numbers(tables["newton"]),
        "sensitivity": sensitivity.numbers(tables["sensitivity"]),
        "euler": equations.euler_numbers(row.seed),
        "linearity": equations.linearity_numbers(row.hidden, row.seed),
        "vanished": row.vanished,
    }
    return rounded(numbers), tables


def rounded(value: Any) -> Any:
    """Return the numbers, at every depth, with six digits."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value
