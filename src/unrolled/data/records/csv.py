"""Any table of numbers with a heading, separated by commas: one row a time step, one column a channel."""

from pathlib import Path

import pandas as pd

from unrolled.config import Series
from unrolled.errors import UnrolledError


def read(row: Series) -> pd.DataFrame:
    """Return the whole table.

    Raises
    ------
    UnrolledError
        If no file is named, or it is missing or not such a table.
    """
    if row.file is None:
        raise UnrolledError("series 'csv' needs 'file': name it in params.yaml, under the study's 'series'")
    try:
        return pd.read_csv(Path(row.file))
    except OSError:
        raise UnrolledError(f"{row.file} is missing: put it there, or correct 'file' in params.yaml") from None
    except ValueError as error:
        raise UnrolledError(f"{row.file} is not a table separated by commas: {' '.join(str(error).split())}") from None
