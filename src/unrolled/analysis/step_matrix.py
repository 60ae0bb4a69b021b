"""The step matrix of a trained linear RNN against that of the equation."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.analysis.gradient_flow import REPLICAS
from unrolled.data.task import Data
from unrolled.models.initialisers.euler import Euler
from unrolled.models.initialisers.exact import Exact
from unrolled.training.runs import Result, Run

Complex = NDArray[np.complex128]


def eigenvalues(matrix: NDArray[Any]) -> Complex:
    """Return the eigenvalues, sorted by imaginary part; they do not depend on the state's basis."""
    values = np.linalg.eigvals(np.asarray(matrix, dtype=np.float64)).astype(np.complex128)
    return values[np.lexsort((values.real, values.imag))]


def decay_and_frequency(value: complex, step: float) -> tuple[float, float]:
    """Return (-ln|λ| / Δt, |arg λ| / Δt): for the damped oscillator η/2 and its frequency."""
    return -float(np.log(abs(value))) / step, float(abs(np.angle(value))) / step


def applies(run: Run) -> bool:
    """Return whether a method trains a linear RNN on a linear system."""
    known = run.system is not None and run.system.linear() is not None
    return known and run.optimiser.trains and run.method.options.get("activation") == "identity"


def compare(run: Run, result: Result, data: Data) -> dict[str, Any]:
    """Return the eigenvalues of the exact step, of Euler's and of each chosen replica's W (`learned`).

    For methods to which it applies. `followed` is how many of the
    replicas, the first ones, have their gradient followed.
    """
    network, step = run.network(data), run.experiment.data.step
    problem = run.problem(network, data)
    generator = np.random.default_rng(0)
    learned = network.unpack(torch.from_numpy(result.theta[result.chosen]))["W"].numpy()
    matrices: dict[str, Any] = {
        "exact": [Exact().initialise(problem, generator)["W"]],
        "euler": [Euler().initialise(problem, generator)["W"]],
        "learned": learned,
    }
    table = {name: [_describe(matrix, step) for matrix in group] for name, group in matrices.items()}
    return table | {"step": step, "method": run.name, "followed": min(REPLICAS, len(learned))}


def _describe(matrix: NDArray[Any], step: float) -> dict[str, Any]:
    values = eigenvalues(matrix)
    decay, frequency = decay_and_frequency(complex(values[-1]), step)
    pairs = [[float(f"{v.real:.7g}"), float(f"{v.imag:.7g}")] for v in values]
    return {"eigenvalues": pairs, "decay": float(f"{decay:.6g}"), "frequency": float(f"{frequency:.6g}")}
