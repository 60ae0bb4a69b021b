"""The exact discretisation of a linear system, written as the weights of a linear RNN."""

import numpy as np

from unrolled.data.system import hold
from unrolled.models.initialiser import Arrays, Setting, linear_recurrence


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Set s_{i+1} = exp(Δt A) s_i + ∫ exp(τ A) dτ B F_i, exact for a force held over each step."""
    return linear_recurrence(setting, *hold(*setting.linear(), setting.step))
