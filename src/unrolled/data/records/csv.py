"""Any table of numbers in a text file: a line of names, then one row a time step, one column a channel."""

from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.config import RecordRow
from unrolled.data import textfile
from unrolled.data.record import Record

if TYPE_CHECKING:
    import pandas as pd


class CSV(Record):
    """A file of the user's, named in the study's `record`."""

    def refuses(self, row: RecordRow) -> str | None:
        """Refuse a record without a file."""
        return "needs 'file': name it in params.yaml, under the study's 'record'" if row.file is None else None

    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return the whole table."""
        assert row.file is not None
        return textfile.read(Path(row.file), row)
