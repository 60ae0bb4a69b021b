"""The persistence forecast, written as the weights of a linear RNN: nothing changes."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, linear_recurrence


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Keep what was seen last: the value before (one input), or the initial state (driven system)."""
    inputs, hidden = setting.shapes["U"]
    if inputs == hidden:
        keep, forget = np.eye(hidden), np.zeros((hidden, hidden))
        bias = np.zeros((1, hidden))
        return {"U": keep, "W": forget, "b": bias, "V0": keep, "c0": bias}
    return linear_recurrence(setting, np.eye(hidden), np.zeros((hidden, inputs - hidden)))
