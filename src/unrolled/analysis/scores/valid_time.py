"""How long a forecast in closed loop stays on the true trajectory."""

from typing import ClassVar

import numpy as np

from unrolled.analysis.score import Array, Score
from unrolled.data.lost import THRESHOLD, normalised_error
from unrolled.data.task import TestSet


class ValidTime(Score):
    """The time until the normalised error exceeds 0.4, the median over start points, in Lyapunov times.

    It ends where two solvers of the true equation part: nobody knows the truth beyond.

    References
    ----------
    Pathak et al., Phys. Rev. Lett. 120 (2018) 024102, doi 10.1103/PhysRevLett.120.024102.
    """

    least: ClassVar[int] = 2
    label: ClassVar[str] = "valid time in closed loop"
    test: ClassVar[str] = "closed_loop"
    higher_is_better: ClassVar[bool] = True
    blocks: ClassVar[int] = 16

    def floor(self, test: TestSet) -> float:
        """Return one step."""
        return float(test.times[1] - test.times[0]) * (test.lyapunov or 1.0)

    def unit(self, test: TestSet) -> str:
        """Return the unit: Lyapunov times where the system has an exponent."""
        return "Lyapunov times" if test.lyapunov else "units of time"

    def errors(self, predicted: Array, test: TestSet) -> Array:
        """Return the valid time of each forecast, at most the time for which two solvers agree, and the horizon."""
        lost = normalised_error(predicted, test.targets) > THRESHOLD
        steps = np.where(lost.any(axis=-1), lost.argmax(axis=-1), lost.shape[-1])
        if test.agreed is not None:
            steps = np.minimum(steps, test.agreed)
        return np.asarray(steps * float(test.times[1] - test.times[0]) * (test.lyapunov or 1.0))

    def aggregate(self, errors: Array) -> Array:
        """Return the median."""
        return np.asarray(np.median(errors, axis=1))
