"""Two water tanks, one above the other, with overflow, measured; the official data and split."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.config import RecordRow
from unrolled.data import official
from unrolled.data.record import Record

if TYPE_CHECKING:
    import pandas as pd

FILE = Path("Cascaded_Tanks/CascadedTanksFiles/dataBenchmark.mat")


class CascadedTanks(Record):
    """Samples every 4 s, in V: `pump`, its voltage, and `level`, of the lower tank; 1024, and a test of 1024.

    References
    ----------
    Schoukens, Mattsson, Wigren & Noël (2016), 4TU, doi 10.4121/12960104.v1, CC BY-SA 4.0.
    """

    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return what is for training; errors as in `official.records`."""
        return _table(official.records("Cascaded_Tanks", FILE)[0])

    def tests(self, row: RecordRow) -> "dict[str, pd.DataFrame]":
        """Return the official test; errors as in `official.records`."""
        return {"test": _table(official.records("Cascaded_Tanks", FILE)[1])}


def _table(record: Any) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"pump": record.u, "level": record.y})
