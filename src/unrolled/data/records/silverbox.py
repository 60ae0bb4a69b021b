"""The Silverbox: Duffing's equation as an electronic circuit, measured; the official data and splits."""

import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unrolled.config import RecordRow
from unrolled.data.record import Record
from unrolled.errors import NotRunError, UnrolledError

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "UNROLLED_MEASURED"
"""The environment variable that names a folder with the data; without it the loader's own cache, which it fills."""
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
        """Return what is for training.

        Raises
        ------
        NotRunError
            If the data cannot be had: no package, no network, no such folder.
        UnrolledError
            If the file is damaged.
        """
        return _table(_records()[0])

    def tests(self, row: RecordRow) -> "dict[str, pd.DataFrame]":
        """Return the official tests by name, the multisine first; errors as in `read`."""
        return {name: _table(record) for name, record in zip(NAMES, _records()[1], strict=True)}


def _table(record: Any) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"V1": 1e3 * record.u, "V2": 1e3 * record.y})


def _records() -> Any:
    """Return the official split, (train_val, tests), without a word on the terminal."""
    folder = os.environ.get(FOLDER)
    if folder and not (Path(folder) / FILE).is_file():
        raise NotRunError(
            f"{FOLDER} is {folder}, where there is no {FILE}: unset it to download the data, or put it there"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nonlinear_benchmarks
    except ImportError:
        raise NotRunError("its data come by a package: pip install nonlinear_benchmarks") from None
    silence = io.StringIO()
    try:
        if folder and not (mark := Path(folder) / FILE.parent.with_suffix(".zip")).exists():
            mark.touch()  # the loader takes its presence, whatever it holds, for that of the data
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            path = Path(nonlinear_benchmarks.Silverbox(dir_placement=folder, data_file_locations=True)[1])
    except Exception as error:  # the loader raises a bare one after five tries
        why = " ".join(str(error).split())[:120]
        raise NotRunError(
            f"its data could not be downloaded ({why}): connect to the network, or set {FOLDER} to a folder with {FILE}"
        ) from None
    try:
        with contextlib.redirect_stdout(silence):
            return nonlinear_benchmarks.Silverbox(dir_placement=folder)
    except Exception as error:
        raise UnrolledError(
            f"{path} is damaged ({type(error).__name__}): delete the folder {path.parents[1]}, and it is fetched anew"
        ) from None
