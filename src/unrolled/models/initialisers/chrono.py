"""Chrono initialisation: gates that start out with memories of all lengths up to the sequence's."""

import numpy as np

from unrolled.models.initialiser import BIASES, Arrays, Initialiser, Problem, draw_uniform, without_forget_gate, zeros


class Chrono(Initialiser):
    """Biases of the forget gate log u, u uniform in [1, T - 1], and of the input gate -log u.

    A unit whose forget gate is sigmoid(log u) = u / (1 + u) forgets in about u steps. All other
    biases of the cell are 0, all weights as `uniform` draws them. A cell whose gates are coupled
    (the GRU) has no input gate of its own.

    References
    ----------
    Tallec & Ollivier, ICLR 2018, arXiv 1804.11188.
    """

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without a forget gate."""
        return without_forget_gate(problem)

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = draw_uniform(problem, random) | zeros(problem, *BIASES)
        log_memory = np.log(random.uniform(1, max(problem.steps - 1, 1), problem.hidden))
        for gate, values in ((problem.forget_gate, log_memory), (problem.input_gate, -log_memory)):
            for name in problem.named("gate_bias"):
                if gate is not None:
                    arrays[name][:, problem.gate(gate)] = values
        return arrays
