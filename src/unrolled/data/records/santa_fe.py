"""The intensity of a far-infrared laser near chaos, measured: set A of the Santa Fe competition."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unrolled.config import RecordRow
from unrolled.data.record import Record
from unrolled.errors import NotRunError

if TYPE_CHECKING:
    import pandas as pd


class SantaFe(Record):
    """10093 values (set A and its continuation), integers from 0 to 255.

    They lie in the package reservoirpy, which need not be imported for them.

    References
    ----------
    Hübner, Abraham & Weiss, Phys. Rev. A 40 (1989) 6354, doi 10.1103/PhysRevA.40.6354;
    Weigend & Gershenfeld (eds), Time Series Prediction (1994).
    """

    def read(self, row: RecordRow) -> "pd.DataFrame":
        """Return the values as the column `intensity`."""
        import pandas as pd

        package = find_spec("reservoirpy")
        if package is None or not package.origin:
            raise NotRunError("its series comes with the package reservoirpy: pip install reservoirpy")
        values = np.load(Path(package.origin).parent / "datasets" / "santafe_laser.npy")
        return pd.DataFrame({"intensity": values.ravel()})
