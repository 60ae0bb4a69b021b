"""The tables of figures as CSV: six digits, and names that stay names."""

from pathlib import Path
from typing import IO, Any

import pandas as pd

TEXTS: Any = dict.fromkeys(("method", "output", "channel"), "str")
"""Columns that hold names, also where a name looks like a number or like nothing ("1", "nan")."""


def csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV."""
    return table.to_csv(index=False, float_format="%.6g").encode()


def read(file: Path | IO[bytes]) -> pd.DataFrame:
    """Read a table."""
    return pd.read_csv(file, dtype=TEXTS, keep_default_na=False, na_values=[""])
