"""Which recurrent network, trained how, has a memory long enough for the task?

`unrolled.load`, `unrolled.train` and `unrolled.experiment` are the functions of `unrolled.api`.

Axis letters, the same in every docstring:

==  =========================================================
S   replica: one trained network (a seed and hyperparameters)
B   batch
T   time
D   input
H   hidden
K   output
P   all weights of one replica, in one row
==  =========================================================
"""

import os
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a study does not phone home; and logging takes a fifth less

__version__ = "0.1.0"
__all__ = ["experiment", "load", "published", "train"]


def __getattr__(name: str) -> Any:
    """Load the API, and with it PyTorch, only when it is used."""
    if name not in __all__:
        raise AttributeError(f"module 'unrolled' has no attribute '{name}'")
    from unrolled import api

    return getattr(api, name)
