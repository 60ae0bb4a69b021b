"""Forward Euler, written as the weights of a linear RNN."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, linear_recurrence


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Set s_{i+1} = (1 + Δt A) s_i + Δt B F_i; for the oscillator the weights are (η, Δt).

    It equals v_{i+1} = v_i + Δt (F_i - η v_i - x_i), x_{i+1} = x_i + Δt v_i. Nothing is drawn.
    """
    a, b = setting.linear()
    return linear_recurrence(setting, np.eye(len(a)) + setting.step * a, setting.step * b)
