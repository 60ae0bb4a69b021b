"""`python -m benchmarks [PART ...]`: measure, print, write results.json, README.md, and a few rows into the front page.

A part by itself replaces its own rows and keeps the others.
"""

import importlib
import json
import sys
from contextlib import nullcontext
from pathlib import Path

import torch

from benchmarks._measure import Row, one_core
from unrolled import registry

PARTS = ("growth", "pipeline", "generation", "training", "updates", "methods", "page")
SPREAD = ("growth", "pipeline", "page")
"""Parts that start processes of their own."""
RESULTS, README = Path(__file__).parent / "results.json", Path(__file__).parent / "README.md"
FRONT = Path(__file__).parents[1] / "README.md"
SHORT = ("elman T200 B32 H64", "lstm T200 B32 H64", "gru T200 B32 H64", "data: lorenz63", "esn 500 units")
"""What the rows begin with that the project's README shows."""
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->"


def not_compiled() -> list[str]:
    """Return the cells that have only their textbook form."""
    return [name for name in registry.names("cells") if not registry.load("cells", name).compiled]


def merged(old: list[Row], new: list[Row]) -> list[Row]:
    """Return the old rows with the new ones in the place of those of the same name and peer, or behind."""
    fresh = {(row["name"], row["peer"]): row for row in new}
    kept = [fresh.pop((row["name"], row["peer"]), row) for row in old]
    return [*kept, *fresh.values()]


def table(rows: list[Row]) -> str:
    """Return the rows in Markdown."""
    lines = [
        "| work | instead | ours [s] | instead [s] | ratio | of the sgemm limit |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    for row in rows:
        limit = "" if row["limit_fraction"] is None else f"{100 * row['limit_fraction']:.0f} %"
        cells = [row["name"], row["peer"], f"{row['ours_s']:.3g}", f"{row['peer_s']:.3g}", f"{row['ratio']:.3g}", limit]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def into_readme(readme: str, rows: list[Row]) -> str:
    """Return a README with the table between its marks replaced."""
    before, rest = readme.split(BEGIN)
    return before + BEGIN + table(rows) + END + rest.split(END)[1]


def main(*parts: str) -> None:
    """Run the parts (all by default) and write what they find."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"benchmarks: '{unknown[0]}' is not known: choose from {', '.join(PARTS)}")
    torch.set_num_threads(1)
    found: list[Row] = []
    for part in parts or PARTS:
        module = importlib.import_module(f"benchmarks.{part}")
        with nullcontext() if part in SPREAD else one_core():
            for row in module.rows():
                found.append(row)
                print(f"{row['name']}, {row['ratio']:.2f} times {row['peer']}", flush=True)
    old = json.loads(RESULTS.read_text()) if parts and RESULTS.exists() else []
    rows = merged(old, found)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for path, shown in ((README, rows), (FRONT, [row for row in rows if row["name"].startswith(SHORT)])):
        path.write_text(into_readme(path.read_text(encoding="utf-8"), shown), encoding="utf-8")
    print(f"\n{table(rows)}\ncells without a compiled form: {', '.join(not_compiled())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
