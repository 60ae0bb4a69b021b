"""The Silverbox: Duffing's equation as an electronic circuit, measured; the official data and splits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unrolled.config import RecordRow
from unrolled.data import official
from unrolled.data.record import Record

if TYPE_CHECKING:
    import pandas as pd

FILE = Path("Silverbox/SilverboxFiles/SNLS80mV.mat")
NAMES = ("test", "arrow", "arrow_no_extrapolation")
"""The tests as the loader orders them (it misnames the second): multisine, growing amplitude, its part as trained."""


class Silverbox(Record):
    """Samples at 610.35 Hz, V1 and V2 in mV: 65062 of multisine for training, and the official tests.

    References
    ----------
    Wigren & Schoukens, European Control Conference (2013) 2933, doi 10.23919/ECC.2013.6669201.
    """

    test_labels: ClassVar[dict[str, str]] = {"test": "multisine", "arrow_no_extrapolation": "arrow, no extrapolation"}

    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return what is for training; errors as in `official.records`."""
        return _table(official.records("Silverbox", FILE)[0])

    def tests(self, row: RecordRow) -> "dict[str, pd.DataFrame]":
        """Return the official tests by name, the multisine first; errors as in `official.records`."""
        found = official.records("Silverbox", FILE)[1]
        return {name: _table(record) for name, record in zip(NAMES, found, strict=True)}


def _table(record: Any) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"V1": 1e3 * record.u, "V2": 1e3 * record.y})
