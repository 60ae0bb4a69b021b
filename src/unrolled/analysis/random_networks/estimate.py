"""A number measured on several random networks: mean and standard deviation over them."""

from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike


class Estimate(TypedDict):
    """Mean, standard deviation and number of the values."""

    mean: float
    sd: float
    n: int


def estimate(values: ArrayLike) -> Estimate:
    """Return what some values come to; one value has no spread."""
    known = np.asarray(values, dtype=np.float64)
    return {
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else 0.0,
        "n": len(known),
    }
