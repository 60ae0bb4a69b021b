"""`python -m unrolled.stages train sine` runs the stage `train` of the study `sine`.

Each worker process imports the main module again, so this one imports nothing heavy.
"""

import os
import sys

from unrolled import errors, registry
from unrolled.training import workers


@errors.one_line
def main(stage: str, *arguments: str) -> None:
    """Run one stage."""
    if stage == "train":
        workers.preload()  # while the stage itself loads MLflow
    registry.load("stages", stage).main(*arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all is written; taking PyTorch and MLflow down piece by piece would cost a second a stage


if __name__ == "__main__":
    main(*sys.argv[1:])
