"""Which recurrent network, learned in which way, remembers long enough?

Axis letters, the same in every docstring:

==  =========================================================
S   replica: one trained network (a seed and a learning rate)
B   batch
T   time
D   input
H   hidden
K   output
P   all weights of one replica, in one row
==  =========================================================
"""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a study does not phone home; and logging takes a fifth less

__version__ = "0.1.0"
