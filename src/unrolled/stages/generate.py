"""Stage `generate`: integrate the study's system, or cut its measured record, into arrays.

What is kept is known by its fingerprint before SciPy is even imported.
"""

from typing import TYPE_CHECKING

from unrolled import config, errors, progress
from unrolled.config import DataRow
from unrolled.data import store

if TYPE_CHECKING:
    from unrolled.data.task import Data


@errors.one_line
def main(name: str) -> None:
    """Generate the data of one study, unless they are there."""
    row: DataRow = config.data_row(name)
    if store.kept(name, row):
        progress.Stage.kept = True
        print(f"{name}: kept")
        return
    from unrolled.data import datasets

    try:
        data = datasets.make(row)
    except errors.NotRunError as reason:
        store.save_not_run(name, str(reason))
        print(f"{name}: not run: {reason}. Then run `dvc repro --force generate@{name}`")
        return
    store.save(name, data, store.mark(row))
    for word in data.facts.get("said", []):
        print(f"{name}: {word}")
    print(f"{name}: {_sizes(data)}; {_said(data)}")


def _sizes(data: "Data") -> str:
    arrays = {"train": data.train["inputs"], "val": data.val["inputs"]}
    arrays |= {name: test.inputs for name, test in data.tests.items()}
    return ", ".join(f"{part} {len(each)}" for part, each in arrays.items()) + " sequences"


def _said(data: "Data") -> str:
    if "drawn" in data.facts:
        return f"drawn: {data.facts['drawn']}"
    if "solver_error" not in data.facts:
        read = data.facts["read"]
        return f"measured: {data.facts['source']}" + (f", {read}" if read else "")
    said = f"solver error at most {data.facts['solver_error']:.1e} over {data.facts['solver_error_over']}"
    if agreed := data.facts.get("solvers_agree"):
        said += f"; two solvers agree for {agreed['least']:.1f} Lyapunov times or more (median {agreed['median']:.1f})"
    return said
