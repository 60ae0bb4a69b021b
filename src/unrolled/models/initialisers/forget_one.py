"""Gates that start out open to the past."""

import numpy as np

from unrolled.models.initialiser import Arrays, Initialiser, Problem, draw_uniform, without_forget_gate


class ForgetOne(Initialiser):
    """The bias of the forget gate 1, all else as `uniform`.

    References
    ----------
    Gers, Schmidhuber & Cummins, Neural Computation 12 (2000) 2451, doi 10.1162/089976600300015015;
    Jozefowicz, Zaremba & Sutskever, ICML 2015, PMLR 37:2342.
    """

    def supports(self, problem: Problem) -> str | None:
        """Refuse cells without a forget gate."""
        return without_forget_gate(problem)

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights of one replica."""
        arrays = draw_uniform(problem, random)
        for name in problem.named("gate_bias"):
            if problem.forget_gate is not None:
                arrays[name][:, problem.gate(problem.forget_gate)] = 1.0
        return arrays
