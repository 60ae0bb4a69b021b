"""All experiments on random networks: their numbers, and their tables with the columns that figures read.

Every name that a claim, a figure or the page reads of them is stated here, or in the class or tuple
of columns named here.
"""

from typing import Any, TypedDict

import pandas as pd

from unrolled.analysis.random_networks import autonomous, clipping, equations, gradient_map, newton
from unrolled.config import RandomNetworks


class Numbers(TypedDict):
    """What `reports/random_networks/numbers.json` holds; `vanished` is the limit |log10| of `gradient_map`."""

    gradient_map: gradient_map.Numbers
    clipping: clipping.Numbers
    autonomous: autonomous.Numbers
    newton: newton.Numbers
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
    "euler": equations.COLUMNS,
    "scaling": equations.SCALING,
}
"""The columns of each table, a file `reports/random_networks/TABLE.csv`."""


def run(row: RandomNetworks) -> tuple[Numbers, dict[str, pd.DataFrame]]:
    """Return all numbers, with six digits, and all tables."""
    tables = {
        "gradient_map": gradient_map.measure(row),
        "initialisers": gradient_map.initialised(row),
        "clipping": clipping.measure(row),
        "autonomous": autonomous.measure(row),
        "bifurcation": autonomous.bifurcation(row),
        "spectra": autonomous.spectra(row),
        "newton": newton.measure(row),
        "euler": equations.compare(row.seed),
        "scaling": equations.scaling(row.hidden, row.seed),
    }
    numbers: Numbers = {
        "gradient_map": gradient_map.numbers(tables["gradient_map"], tables["initialisers"], row.vanished),
        "clipping": clipping.numbers(tables["clipping"], row.clip),
        "autonomous": autonomous.numbers(tables["autonomous"], tables["spectra"]),
        "newton": newton.numbers(tables["newton"]),
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
