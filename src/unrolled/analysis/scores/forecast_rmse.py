"""Root mean square error of a forecast in closed loop."""

from typing import ClassVar

from unrolled.analysis.score import RootMeanSquare


class ForecastRMSE(RootMeanSquare):
    """√⟨(ŷ - y)²⟩ over all steps of the closed loop."""

    label: ClassVar[str] = "RMSE in closed loop"
    test: ClassVar[str] = "closed_loop"
