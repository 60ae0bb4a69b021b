"""Stage `methods`: what is learned on each study, its row and those of its methods, one file a study.

Training and scoring depend on their study's file in place of `config.yaml`: a changed row is felt
only by the studies that use it, and `dvc.lock`, which DVC reads and writes after every stage, stays
short.
"""

from unrolled import config, errors, paths
from unrolled.data.store import write_json


@errors.one_line
def main() -> None:
    """Write each study's row, its methods with every default filled in, and how many seeds learn."""
    table = config.load()
    for path in paths.METHODS.glob("*.json"):
        path.unlink()
    for name, study in table.studies.items():
        rows = {method: row.model_dump() for method, row in table.methods_of(name).items()}
        seeds = {"seeds": table.seeds_of(name), "tuning_seeds": table.training.tuning_seeds}
        write_json(paths.METHODS / f"{name}.json", {"study": study.model_dump()} | seeds | {"methods": rows})
    print(f"methods: {len(table.methods)} rows for {len(table.studies)} studies")
