"""Stage `theory`: networks that learn nothing; what follows from the equations alone."""

from typing import Any

import pandas as pd

from unrolled import config, errors, paths
from unrolled.analysis.random_networks import autonomous, clipping, equations, gradient_map, newton
from unrolled.config import Theory
from unrolled.data.store import write_atomic, write_json


def compute(row: Theory) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Return all numbers and tables of the chapter that need no trained network."""
    tables = {
        "map": gradient_map.measure(row),
        "initialisers": gradient_map.initialised(row),
        "clipping": clipping.measure(row),
        "alone": autonomous.measure(row),
        "bifurcation": autonomous.bifurcation(row),
        "spectrum": autonomous.spectra(row),
        "newton": newton.measure(row),
        "euler": equations.compare(row.seed),
        "scaled": equations.scaled(row.hidden, row.seed),
    }
    numbers = {
        "map": gradient_map.numbers(tables["map"], tables["initialisers"], row.lost),
        "clipping": clipping.numbers(tables["clipping"], row.clip),
        "alone": autonomous.numbers(tables["alone"], tables["spectrum"]),
        "newton": newton.numbers(tables["newton"]),
        **equations.numbers(row),
    }
    return rounded(numbers | {"lost": row.lost}), tables


def rounded(value: Any) -> Any:
    """Return the numbers, at every depth, with six digits."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


@errors.one_line
def main() -> None:
    """Measure, and write the tables and `numbers.json`."""
    numbers, tables = compute(config.load().theory)
    for name, table in tables.items():
        content = table.to_csv(index=False, float_format="%.6g")
        write_atomic(paths.THEORY / f"{name}.csv", content.encode())
    write_json(paths.THEORY / "numbers.json", numbers)
    print(f"theory: {', '.join(f'{name} {len(table)} rows' for name, table in tables.items())}")
