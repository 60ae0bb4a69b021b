"""Stage `generate`: integrate the study's system, or cut its measured series, into train, val and test arrays."""

from typing import Any

from unrolled import config, errors, registry
from unrolled.config import Study
from unrolled.data import record, store
from unrolled.data.system import System, of
from unrolled.data.task import Task


def simulated(study: Study, system: System, task: Task) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the splits, the sidecar's facts, and what to say of them."""
    splits, facts = task.build(study, system)
    about = {
        "equation": system.equation,
        "source": system.source,
        "parameters": study.parameters,
        "solver": f"scipy.integrate.solve_ivp, {system.solver}, "
        + ("all trajectories in one batch" if system.together else "each trajectory alone"),
        "rtol": system.rtol,
        "atol": system.rtol / 100,
        "units": "dimensionless",
    }
    return splits, about | facts, f"solver error at most {facts['solver_error']:.1e}"


def cut(study: Study, task: Task) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the same of a measured series."""
    series = record.load(study)
    splits, _ = task.cut(study, series)
    row = study.series
    assert row is not None
    about = {
        "source": row.file or row.source,
        "inputs": row.inputs,
        "outputs": row.outputs,
        "mean": series.mean.tolist(),
        "standard_deviation": series.spread.tolist(),
        "units": row.units,
    }
    return splits, about, f"measured: {row.file or row.source}"


@errors.one_line
def main(name: str) -> None:
    """Generate the data of one study."""
    study = config.load().study(name)
    task: Task = registry.load("tasks", study.task)()
    system = of(study)
    try:
        splits, facts, said = cut(study, task) if system is None else simulated(study, system, task)
    except errors.NotRunError as reason:
        store.save_not_run(name, str(reason))
        print(f"{name}: not run: {reason}. Then run `dvc repro --force generate@{name}`")
        return
    about = {"study": name, "task": f"{study.task} ({task.kind})", "step": study.step, "seed": study.seed}
    store.save(name, splits, about | facts)
    sizes = ", ".join(f"{split} {len(arrays['inputs'])}" for split, arrays in splits.items())
    print(f"{name}: {sizes} sequences; {said}")
