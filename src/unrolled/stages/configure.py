"""Stage `configure`: resolve the table, one file a study, and find what contradicts itself before anything runs."""

from unrolled import errors, paths
from unrolled.config import Experiment, Method
from unrolled.errors import UnrolledError
from unrolled.files import write_sealed
from unrolled.models.build import family
from unrolled.training.table import check


def write(experiments: list[Experiment], methods: dict[str, Method]) -> None:
    """Write each study's experiment, by itself the part that its data depend on, and an index; other files go."""
    families = {name: family(method) for name, method in methods.items()}
    files = {paths.EXPERIMENTS / "index.json": {"studies": [each.name for each in experiments], "methods": families}}
    for each in experiments:
        files |= {paths.experiment(each.name): each.model_dump(), paths.data_row(each.name): each.data.model_dump()}
    for path, content in files.items():
        write_sealed(path, content)
    for path in set(paths.EXPERIMENTS.glob("*.json")) - set(files) - {paths.RANDOM}:
        path.unlink()


@errors.one_line
def main() -> None:
    """Write the experiment of every study, the order of the studies, and the experiments on random networks."""
    found = check(paths.PARAMS)
    if found.table is None:
        raise UnrolledError("\n".join(found.problems))
    write(found.experiments, found.table.methods)
    write_sealed(paths.RANDOM, found.table.random_networks.model_copy(update={"seed": found.table.seed}).model_dump())
    print("\n".join([*(f"warning: {line}" for line in found.warnings), found.said(paths.PARAMS)]))
