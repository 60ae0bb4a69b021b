"""Stage `methods`: the rows of `methods`, defaults filled in, one file for each study.

Training and scoring depend on their study's file in place of the rows: a changed row is felt only by
the studies that use it, and `dvc.lock`, which DVC reads and writes after every stage, stays short.
"""

from unrolled import errors, params, paths
from unrolled.datasets.files import write_json


@errors.one_line
def main() -> None:
    """Write what each study's methods are, with how many seeds."""
    table = params.load()
    for path in paths.METHODS.glob("*.json"):
        path.unlink()
    for study in table.studies:
        rows = {name: method.model_dump() for name, method in table.methods_of(study).items()}
        seeds = {"seeds": table.seeds_of(study), "tuning_seeds": table.training.tuning_seeds}
        write_json(paths.METHODS / f"{study}.json", seeds | {"methods": rows})
    print(f"methods: {len(table.methods)} rows for {len(table.studies)} studies")
