"""Trained replicas of one network, and what they predict."""

from typing import Any

from numpy.typing import NDArray

from unrolled.data.task import Loss, Mode, TestSet
from unrolled.models.closed_loop import free_run
from unrolled.models.network import Network
from unrolled.models.pytorch import Tensor, no_grad, torch


class Ensemble:
    """S replicas of one network with their weights set.

    Parameters
    ----------
    network : Network
    theta : (S, P) tensor
    many_to_one : bool
        Whether only the last output counts.
    autoregressive : bool
        Whether the first K inputs are the outputs of the step before.
    loss : str
        What they were trained on: of cross-entropy the predictions are probabilities, the softmax of the outputs.
    """

    def __init__(
        self,
        network: Network,
        theta: Tensor,
        many_to_one: bool,
        autoregressive: bool = False,
        loss: Loss = "mean_square",
    ) -> None:
        self.network, self.weights, self.replicas = network, network.unpack(theta), len(theta)
        self.many_to_one, self.autoregressive, self.loss = many_to_one, autoregressive, loss

    def predict(self, test: TestSet) -> NDArray[Any]:
        """Return the predictions of every replica for a test set, (S, N, [T,] K), run as its mode says."""
        found = self.run(torch.from_numpy(test.inputs), test.mode, test.targets.shape[1])
        predictions: NDArray[Any] = self.predicted(found).numpy()
        return predictions

    def predicted(self, outputs: Tensor) -> Tensor:
        """Return the predictions that the outputs (..., K) stand for."""
        return torch.softmax(outputs, dim=-1) if self.loss == "cross_entropy" else outputs

    def run(self, inputs: Tensor, mode: Mode, steps: int) -> Tensor:
        """Return the outputs for inputs (B, T, D) in some mode; `steps` are those of a closed loop."""
        if mode == "closed_loop":
            return self.closed_loop(inputs, steps)
        return self.simulate(inputs) if mode == "simulation" else self(inputs)

    @no_grad
    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs for given inputs: (S, B, K) where only the last counts, else (S, B, T, K).

        Inputs (B, T, D) go to every replica alike, inputs (S, B, T, D) to each its own.
        """
        return self.network(self.weights, self._for_all(inputs), self.many_to_one)

    @no_grad
    def closed_loop(self, inputs: Tensor, steps: int) -> Tensor:
        """Return a forecast (S, B, steps, K) after the inputs (B, T, D), each output fed back as the next input.

        A many-to-one network sees a window that slides over its own outputs.
        """
        if not self.many_to_one:
            return free_run(self.network, self.weights, self._for_all(inputs), steps)
        latest, window = self(inputs), self._for_all(inputs)
        outputs = [latest]
        for _ in range(steps - 1):
            window = torch.cat([window[:, :, 1:], latest[:, :, None]], dim=2)
            latest = self(window)
            outputs.append(latest)
        return torch.stack(outputs, dim=2)

    @no_grad
    def simulate(self, inputs: Tensor) -> Tensor:
        """Return the outputs after the washout (S, B, T - n, K); an autoregressive network gets its own from there."""
        if not self.autoregressive:
            return self(inputs)
        x, first = self._for_all(inputs), self.network.washout + 1
        given = x[:, :, first:, self.network.outputs :]
        return free_run(self.network, self.weights, x[:, :, :first], given.shape[2] + 1, given)

    def _for_all(self, inputs: Tensor) -> Tensor:
        return inputs.expand(self.replicas, *inputs.shape) if inputs.dim() == 3 else inputs
