"""Eigenvalues on a ring inside the unit circle: the linear recurrent unit's start."""

import numpy as np

from unrolled.models.initialiser import Arrays, Setting, draw_uniform

OPTIONS = {"r_min": 0.9, "r_max": 0.999, "max_phase": 0.314}
"""Radii of the ring, and its largest angle in radians a step (π/10 in the paper's long tasks)."""


def initialise(setting: Setting, random: np.random.Generator) -> Arrays:
    """Draw Λ uniform in area on the ring, γ = √(1 - |Λ|²), B normal with variance 1/(2 D), and the readout `uniform`.

    References
    ----------
    Orvieto et al., ICML 2023, PMLR 202:26670, arXiv 2303.06349, lemma 3.2 and section 3.4.
    """
    option = setting.option(OPTIONS)
    arrays = draw_uniform(setting, random)
    inner, outer = option["r_min"] ** 2, option["r_max"] ** 2
    square = random.uniform(inner, outer, setting.shapes["nu"])
    arrays["nu"] = np.log(-0.5 * np.log(square))
    arrays["phi"] = np.log(option["max_phase"] * random.uniform(1e-6, 1, setting.shapes["phi"]))
    arrays["gamma"] = 0.5 * np.log(1 - square)
    arrays["U"] = random.normal(size=setting.shapes["U"]) / (2 * setting.shapes["U"][0]) ** 0.5
    return arrays
