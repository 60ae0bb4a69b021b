"""The step matrix of a linear RNN against that of the equation it learned."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.system import of
from unrolled.models.initialiser import Setting
from unrolled.models.initialisers.euler import initialise as euler
from unrolled.models.initialisers.exact import initialise as exact
from unrolled.training.job import Job, Result

Complex = NDArray[np.complex128]


def eigenvalues(matrix: NDArray[Any]) -> Complex:
    """Return the eigenvalues, sorted by imaginary part; they do not depend on the state's basis."""
    values = np.linalg.eigvals(np.asarray(matrix, dtype=np.float64)).astype(np.complex128)
    return values[np.lexsort((values.real, values.imag))]


def decay_and_frequency(value: complex, step: float) -> tuple[float, float]:
    """Return (-ln|λ| / Δt, |arg λ| / Δt): for the damped oscillator η/2 and its frequency."""
    return -float(np.log(abs(value))) / step, float(abs(np.angle(value))) / step


def compare(job: Job, result: Result) -> dict[str, Any]:
    """Return the eigenvalues of the exact step, of Euler's and of each chosen replica's W.

    For methods whose cell is Elman with the identity, on a linear system.
    """
    network = job.network()
    system = of(job.study)
    setting = Setting(network.shapes, system, job.study.step)
    generator = np.random.default_rng(0)
    learned = network.unpack(torch.from_numpy(result.theta[result.chosen]))["W"].numpy()
    matrices: dict[str, Any] = {
        "exact": [exact(setting, generator)["W"]],
        "euler": [euler(setting, generator)["W"]],
        "learned": learned,
    }
    table = {name: [_describe(matrix, job.study.step) for matrix in group] for name, group in matrices.items()}
    return table | {"step": job.study.step, "method": job.method_name}


def _describe(matrix: NDArray[Any], step: float) -> dict[str, Any]:
    values = eigenvalues(matrix)
    decay, frequency = decay_and_frequency(complex(values[-1]), step)
    pairs = [[float(f"{v.real:.7g}"), float(f"{v.imag:.7g}")] for v in values]
    return {"eigenvalues": pairs, "decay": float(f"{decay:.6g}"), "frequency": float(f"{frequency:.6g}")}
