"""Root mean square error."""

from typing import ClassVar

from unrolled.analysis.score import RootMeanSquare


class RMSE(RootMeanSquare):
    """√⟨(ŷ - y)²⟩ over sequences, steps and outputs, in the unit of the outputs."""

    label: ClassVar[str] = "RMSE"
