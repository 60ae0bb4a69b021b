"""Any table of numbers with a heading, separated by commas: one row a time step, one column a channel."""

from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.config import RecordRow
from unrolled.data.record import Record
from unrolled.errors import UnrolledError

if TYPE_CHECKING:
    import pandas as pd


class CSV(Record):
    """A file of the user's, named in the study's `record`."""

    def refuses(self, row: RecordRow) -> str | None:
        """Refuse a record without a file."""
        return "needs 'file': name it in params.yaml, under the study's 'record'" if row.file is None else None

    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return the whole table.

        Raises
        ------
        UnrolledError
            If it is missing or not such a table.
        """
        import pandas as pd

        assert row.file is not None
        try:
            return pd.read_csv(Path(row.file))
        except OSError:
            raise UnrolledError(f"{row.file} is missing: put it there, or correct 'file' in params.yaml") from None
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise UnrolledError(f"{row.file} is not a table separated by commas: {reason}") from None
