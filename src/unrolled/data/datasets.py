"""From a study's row to its data: the task's arrays, and the facts of the sidecar."""

from dataclasses import replace
from typing import Any

from unrolled import registry
from unrolled.config import DataRow
from unrolled.data import record, system
from unrolled.data.record import Series
from unrolled.data.system import System
from unrolled.data.task import Data, Task


def make(row: DataRow) -> Data:
    """Integrate the study's system, or cut its record, into training, validation and test sets.

    Raises
    ------
    UnrolledError
        If a parameter, a column or a size does not fit.
    NotRunError
        If the record cannot be had here.
    """
    task: Task = registry.load("tasks", row.task)(**row.settings)
    own = system.of(row)
    source: Any = own if row.record is None else record.load(row)
    data = task.datasets(row, source)
    about = {"task": row.task, "kind": task.kind, "step": row.step, "time_unit": row.unit_of_time, "seed": row.seed}
    about |= {"inputs": task.inputs(row, own), "outputs": task.outputs(row, own)}
    facts = about | _of_source(row, source) | data.facts
    if "solver_error" in facts:
        facts["solver_error"] = float(f"{facts['solver_error']:.1e}")
    return replace(data, facts=facts)


def _of_source(row: DataRow, source: Any) -> dict[str, Any]:
    if isinstance(source, System):
        return _of_system(row, source)
    return {} if source is None else _of_record(row, source)


def _of_system(row: DataRow, own: System) -> dict[str, Any]:
    batch = f"scipy.integrate.solve_ivp, {own.solver}, all trajectories in one batch"
    return {
        "equation": own.equation,
        "source": own.source,
        "parameters": row.parameters,
        "solver": "scipy.integrate.odeint, LSODA, each trajectory by itself" if own.stiff else batch,
        "rtol": own.rtol,
        "atol": own.rtol / 100,
    }


def _of_record(row: DataRow, series: Series) -> dict[str, Any]:
    assert row.record is not None
    return {"source": row.record.file or row.record.source} | series.facts
