"""From the table and the data on disk to jobs, and to what is already learned."""

from unrolled import config, registry
from unrolled.config import Method, Study
from unrolled.data import store
from unrolled.data.task import Split, Task
from unrolled.errors import UnrolledError
from unrolled.training import results
from unrolled.training.job import Job, Result, feeds_back


def make_jobs(study: str) -> list[Job]:
    """Return one job for each method of a study, in the order of the table."""
    table = config.load()
    _check_options(table.methods_of(study))
    row, splits = table.study(study), store.load(study)
    seeds, tuning = table.seeds_of(study), table.training.tuning_seeds
    methods = table.methods_of(study)
    seen = {name: shown(study, row, name, method, splits) for name, method in methods.items()}
    return [Job(study, name, row, method, seeds, seen[name], tuning) for name, method in methods.items()]


def shown(study: str, row: Study, name: str, method: Method, splits: dict[str, Split]) -> dict[str, Split]:
    """Return the splits with only those columns and steps that a method sees.

    Raises
    ------
    UnrolledError
        If it names a column that the study has not, adds a linear model that it does not see or that a
        loop would miss, or learns from fewer steps than a state needs.
    """
    task: Task = registry.load("tasks", row.task)()
    columns, place = task.columns(row), f"studies.{study}: methods.{name}"
    sees = method.sees or task.default(row)
    for each in sees:
        if each not in columns:
            raise registry.unknown(f"{place}.sees: column", each, list(dict.fromkeys(columns)))
    if method.adds and (method.adds not in sees or feeds_back(method)):
        raise UnrolledError(f"{place}.adds is '{method.adds}': it must be in 'sees', and 'before' must not")
    skips = splits["train"]["inputs"].shape[1] - splits["train"]["targets"].shape[1]
    if method.steps is not None and not (columns and skips < method.steps):
        raise UnrolledError(f"{place}.steps is {method.steps}: more than {skips}, and only in task 'simulation'")
    return {split: _shown(arrays, split, sees, columns, method.steps, skips) for split, arrays in splits.items()}


def _shown(arrays: Split, split: str, sees: list[str], columns: list[str], steps: int | None, skips: int) -> Split:
    chosen = [number for number, column in enumerate(columns) if column in sees]
    found = {k: a[..., chosen] if columns and k.endswith("inputs") else a for k, a in arrays.items()}
    if steps is not None and split == "train":
        found |= {"inputs": found["inputs"][:, :steps], "targets": found["targets"][:, : steps - skips]}
    return found


def _check_options(methods: dict[str, Method]) -> None:
    """Refuse an option that neither cell, initialiser nor optimiser declares."""
    for name, method in methods.items():
        items = (("cells", method.cell), ("initialisers", method.initialiser), ("optimisers", method.optimiser))
        known = {key: value for kind, item in items for key, value in registry.options(kind, str(item)).items()}
        for key in method.options:
            if key not in known:
                raise registry.unknown(f"methods.{name}.options:", key, list(known))


def trained(study: str) -> dict[str, tuple[Job, Result]]:
    """Return each method of a study with its result; a missing or damaged one is an error."""
    pairs = ((job, results.path_of(study, job.method_name)) for job in make_jobs(study))
    return {job.method_name: (job, results.read(path)[1]) for job, path in pairs}
