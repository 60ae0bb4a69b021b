"""From the table and the data on disk to jobs, and to what is already learned."""

from unrolled import discover, params
from unrolled.datasets import files
from unrolled.params import Method
from unrolled.training import results
from unrolled.training.job import Job, Result


def make_jobs(study: str) -> list[Job]:
    """Return one job for each method of a study, in the order of the table."""
    table = params.load()
    _check_options(table.methods_of(study))
    row, splits = table.study(study), files.load(study)
    seeds, tuning = table.seeds_of(study), table.training.tuning_seeds
    return [Job(study, name, row, method, seeds, splits, tuning) for name, method in table.methods_of(study).items()]


def _check_options(methods: dict[str, Method]) -> None:
    """Refuse an option that neither cell, initialiser nor optimiser declares."""
    for name, method in methods.items():
        items = (("cells", method.cell), ("initialisers", method.initialiser), ("optimisers", method.optimiser))
        known = {key: value for kind, item in items for key, value in discover.options(kind, str(item)).items()}
        for key in method.options:
            if key not in known:
                raise discover.unknown(f"methods.{name}.options:", key, list(known))


def trained(study: str) -> dict[str, tuple[Job, Result]]:
    """Return each method of a study with its result; a missing or damaged one is an error."""
    pairs = ((job, results.path_of(study, job.method_name)) for job in make_jobs(study))
    return {job.method_name: (job, results.read(path)[1]) for job, path in pairs}
