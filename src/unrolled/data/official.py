"""Official benchmark data that the package nonlinear_benchmarks loads, from a folder or its own cache."""

import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import Any

from unrolled.errors import NotRunError, UnrolledError

FOLDER = "UNROLLED_MEASURED"
"""The environment variable that names a folder with the data; without it the loader's own cache, which it fills."""


def records(loader: str, file: Path) -> Any:
    """Return the official split, (train_val, tests), without a word on the terminal.

    Parameters
    ----------
    loader : str
        A function of the package.
    file : Path
        The data, below the folder.

    Raises
    ------
    NotRunError
        If the data cannot be had: no package, no network, no such folder.
    UnrolledError
        If the file is damaged.
    """
    folder = os.environ.get(FOLDER)
    if folder and not (Path(folder) / file).is_file():
        raise NotRunError(
            f"{FOLDER} is {folder}, where there is no {file}: unset it to download the data, or put it there"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nonlinear_benchmarks
    except ImportError:
        raise NotRunError("its data come by a package: pip install nonlinear_benchmarks") from None
    load, silence = getattr(nonlinear_benchmarks, loader), io.StringIO()
    try:
        if folder and not (mark := Path(folder) / file.parent.with_suffix(".zip")).exists():
            mark.touch()  # the loader takes its presence, whatever it holds, for that of the data
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            found = load(dir_placement=folder, data_file_locations=True)
            path = Path(found[-1] if isinstance(found, list | tuple) else found)
    except Exception as error:  # the loader raises a bare one after five tries
        why = " ".join(str(error).split())[:120]
        raise NotRunError(
            f"its data could not be downloaded ({why}): connect to the network, or set {FOLDER} to a folder with {file}"
        ) from None
    try:
        with contextlib.redirect_stdout(silence):
            return load(dir_placement=folder)
    except Exception as error:
        raise UnrolledError(
            f"{path} is damaged ({type(error).__name__}): delete the folder {path.parents[1]}, and it is fetched anew"
        ) from None
