"""Stage `generate`: integrate the study's system and write its train, val and test arrays."""

from unrolled import discover, errors, params
from unrolled.datasets import files
from unrolled.systems._base import make


@errors.one_line
def main(name: str) -> None:
    """Generate the data of one study."""
    study = params.load().study(name)
    task = discover.load("tasks", study.task)()
    system = make(study.system, study.parameters)
    splits, facts = task.build(study, system)
    about = {
        "study": name,
        "task": f"{study.task} ({task.kind})",
        "equation": system.equation,
        "source": system.source,
        "parameters": study.parameters,
        "solver": f"scipy.integrate.solve_ivp, {system.solver}, all trajectories in one batch",
        "rtol": system.rtol,
        "atol": system.rtol / 100,
        "step": study.step,
        "seed": study.seed,
        "units": "dimensionless",
    }
    files.save(name, splits, about | facts)
    sizes = ", ".join(f"{split} {len(arrays['inputs'])}" for split, arrays in splits.items())
    print(f"{name}: {sizes} sequences; solver error at most {facts['solver_error']:.1e}")
