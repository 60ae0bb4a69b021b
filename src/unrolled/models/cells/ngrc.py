"""Next-generation reservoir computing: the last inputs and all their products, without a recurrence."""

from typing import ClassVar

from pydantic import Field

from unrolled.models.cell import Cell, State, Weight, Weights
from unrolled.models.pytorch import Tensor, torch


class NextGenerationReservoir(Cell):
    """h_t = (x_{t-k+1}, ..., x_t), of which the readout gets all products of at most two numbers.

    It has no weights: with a linear readout it is a nonlinear vector autoregression. For D = 3 inputs and k = 2
    these are 6 numbers and 21 products, with the constant 28 features.

    References
    ----------
    Gauthier, Bollt, Griffith & Barbosa, Nature Communications 12 (2021) 5564, doi 10.1038/s41467-021-25801-2.
    """

    family: ClassVar[str] = "regression"

    class Settings(Cell.Settings):
        """k, how many inputs."""

        taps: int = Field(2, ge=1, le=64)

    settings: Settings
    recurrent: ClassVar[bool] = False

    @property
    def size(self) -> int:
        """Size of h_t, k D."""
        return int(self.settings.taps * self.inputs)

    @property
    def features(self) -> int:
        """How many numbers and products of two there are."""
        return self.size + self.size * (self.size + 1) // 2

    @property
    def expands(self) -> bool:
        """Whether the readout gets more than h."""
        return True

    def expand(self, h: Tensor) -> Tensor:
        """Return h and the products h_i h_j for i <= j."""
        first, second = torch.triu_indices(self.size, self.size, device=h.device)
        return torch.cat([h, h[..., first] * h[..., second]], dim=-1)

    def weights(self) -> dict[str, Weight]:
        """Return none: nothing is trained here."""
        return {}

    def start(self, x: Tensor) -> State:
        """Return inputs of zero."""
        return (x.new_zeros(*x.shape[:2], self.size),)

    def step(self, w: Weights, x: Tensor, state: State) -> State:
        """Drop the oldest input and append the newest."""
        return (torch.cat([state[0][..., self.inputs :], x], dim=-1),)
