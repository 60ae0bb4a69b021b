"""Stage `random_networks`: experiments on random networks, which need no study."""

from unrolled import config, errors, explain, files, fingerprint, paths, progress, registry
from unrolled.config import RandomNetworks


def mark(row: RandomNetworks) -> str:
    """Return the fingerprint of the experiments: their row, and the source that runs them."""
    own = [registry.path("initialisers", name) for name in row.initialisers]
    return fingerprint.of(row.model_dump(), (registry.ROOT / "analysis/random_networks/experiments.py", *own))


@errors.one_line
def main() -> None:
    """Run all experiments, unless their numbers are there; write their tables and `numbers.json`."""
    known = files.read_sealed(paths.RANDOM, config.CONFIGURE)
    row: RandomNetworks = explain.validated(RandomNetworks, known, str(paths.RANDOM))
    own, numbers_file = mark(row), paths.RANDOM_NETWORKS / "numbers.json"
    if fingerprint.kept(paths.RANDOM_NETWORKS, own):
        progress.Stage.kept = True
        print("random networks: kept")
        return
    from unrolled.analysis import table_file
    from unrolled.analysis.random_networks import experiments

    numbers, tables = experiments.run(row)
    written = {paths.RANDOM_NETWORKS / f"{name}.csv": table for name, table in tables.items()}
    for path, table in written.items():
        files.write_atomic(path, table_file.csv(table))
    files.write_json(numbers_file, numbers)
    fingerprint.write(paths.RANDOM_NETWORKS, own, [*written, numbers_file])
    print(f"random networks: {', '.join(f'{name} {len(table)} rows' for name, table in tables.items())}")
