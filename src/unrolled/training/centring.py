"""Training on inputs and targets minus their means, with weights that work on the data as they are."""

from dataclasses import replace

import numpy as np

from unrolled.data.task import Array, Data, Split, TestSet
from unrolled.models.cell import Cell
from unrolled.models.network import Network
from unrolled.models.pytorch import torch


class Centring:
    """The means of the training data, taken off before training and put into the biases after it.

    Of a cell whose inputs and bias enter in one sum, x U + b = (x - m) U + (b + m U), so the network that was trained
    on x - m and y - n does the same on x and y with b - m U in place of b, and c + n in place of the readout's c.

    Parameters
    ----------
    data : Data
        Of which the training split gives the means m (D,) and n (K,).

    References
    ----------
    Sutskever, Martens, Dahl & Hinton, ICML 2013, PMLR 28(3):1139, section 5, centre inputs and outputs so.
    """

    def __init__(self, data: Data) -> None:
        x, y = data.train["inputs"], data.train["targets"]
        self.inputs: Array = x.reshape(-1, x.shape[-1]).mean(axis=0, dtype=np.float64)
        self.outputs: Array = y.reshape(-1, y.shape[-1]).mean(axis=0, dtype=np.float64)

    @staticmethod
    def supports(cell: Cell, flatten_window: bool) -> str | None:
        """Return why a network cannot be trained so, or None."""
        roles = [weight.role for weight in cell.weights().values()]
        if not cell.additive or flatten_window or roles.count("input") != 1 or roles.count("bias") != 1:
            return "needs a cell whose inputs and bias enter in one sum, such as elman"
        return None

    def apply(self, data: Data) -> Data:
        """Return the data minus the means."""

        def split(arrays: Split) -> Split:
            return arrays | {
                "inputs": (arrays["inputs"] - self.inputs).astype(arrays["inputs"].dtype),
                "targets": (arrays["targets"] - self.outputs).astype(arrays["targets"].dtype),
            }

        def of_tests(tests: dict[str, TestSet]) -> dict[str, TestSet]:
            made = {name: split({"inputs": test.inputs, "targets": test.targets}) for name, test in tests.items()}
            return {n: replace(tests[n], inputs=own["inputs"], targets=own["targets"]) for n, own in made.items()}

        return replace(
            data,
            train=split(data.train),
            val=split(data.val),
            tests=of_tests(data.tests),
            val_tests=of_tests(data.val_tests),
        )

    def undo(self, network: Network, theta: Array) -> Array:
        """Return weights (S, P) for the data as they are, of those trained on the data minus the means."""
        w = network.unpack(torch.tensor(theta, dtype=torch.float64))
        role = {weight.role: name for name, weight in network.cell.weights().items()}
        last = f"c{len(network.layers) - 1}"
        w[role["bias"]] = w[role["bias"]] - torch.from_numpy(self.inputs)[None] @ w[role["input"]]
        w[last] = w[last] + torch.from_numpy(self.outputs)
        rows = [network.pack({name: each[s] for name, each in w.items()}) for s in range(len(theta))]
        return torch.stack(rows).numpy().astype(theta.dtype)
