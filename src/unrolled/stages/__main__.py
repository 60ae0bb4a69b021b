"""`python -m unrolled.stages generate sine` runs the stage `generate` of the study `sine`.

Each worker process imports the main module again, so this one imports nothing heavy.
"""

import os
import sys

from unrolled import errors, lifetime, progress, registry


@errors.one_line
def main(stage: str, *arguments: str) -> None:
    """Run one stage, with the code of the folder one stands in."""
    lifetime.begin("unrolled.stages")
    if stage == "train":
        from unrolled.training import workers

        workers.preload()  # while the stage itself loads
    under_way = progress.Stage(stage, *arguments)
    under_way.start()
    registry.load("stages", stage).main(*arguments)
    under_way.finish()
    if stage == "report" and progress.BEGAN not in os.environ:  # else `make` prints it, whatever DVC has skipped
        from unrolled.report import closing

        closing.main()
    lifetime.leave(0)  # all is written


if __name__ == "__main__":
    main(*sys.argv[1:])
