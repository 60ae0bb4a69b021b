"""The persistence forecast, written as the weights of a linear RNN: nothing changes."""

import numpy as np

from unrolled.models.initialiser import Arrays, Initialiser, Problem, linear_recurrence, not_linear


class Persistence(Initialiser):
    """What was seen last stays: the value before (as many inputs as units), or the initial state (driven system)."""

    def supports(self, problem: Problem) -> str | None:
        """Refuse networks other than linear RNNs."""
        entering = [problem.weights[name].shape[0] for name in problem.named("input")]
        return not_linear(problem, problem.hidden, max(sum(entering), problem.hidden))

    def initialise(self, problem: Problem, random: np.random.Generator) -> Arrays:
        """Return the weights, of which none is drawn."""
        hidden, [name] = problem.hidden, problem.named("input")
        drives = problem.weights[name].shape[0] - hidden
        arrays = linear_recurrence(problem, np.eye(hidden), np.zeros((hidden, drives)))
        # A series is given anew at every step, so that its values must not add up.
        return arrays | ({w: np.zeros((hidden, hidden)) for w in problem.named("recurrent")} if drives == 0 else {})
