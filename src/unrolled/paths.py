"""Where every file lies, relative to the project's root (the folder of `dvc.yaml`)."""

import os
import sys
from pathlib import Path

PARAMS = Path("params.yaml")
DATA = Path("data")
EXPERIMENTS = DATA / "experiments"
RANDOM = EXPERIMENTS / "random_networks.json"
"""What is asked of random networks."""
DATASETS = DATA / "studies"
TRAINED = DATA / "trained"
KEPT = Path(".unrolled") / "results"
"""Finished results under their fingerprint, of this and of earlier rows."""
TRAINING = Path(".unrolled") / "training"
"""Whose turn it is to train."""
KERNELS = Path(".unrolled") / "kernels"
REPORTS = Path("reports")
STUDIES = REPORTS / "studies"
CURVES = REPORTS / "curves"
GAIN = REPORTS / "gain.json"
FIGURES = REPORTS / "figures"
INDEX = REPORTS / "index.html"
LOCAL = REPORTS / "local.html"
PUBLISHED = REPORTS / "published.json"
METRICS = REPORTS / "metrics.json"
CLAIMS = REPORTS / "claims.json"
ANSWERS = REPORTS / "answers.json"
FULL = REPORTS / "full"
"""The published study, which `make publish` fills."""
LEDGER = FULL / "records.json"
"""Which records there are, and which it still lacks."""
RECORDS = FULL / "records"
"""What each of its methods left, from which all else there is made."""
LITERATURE = REPORTS / "literature"
"""Records of rows that follow published protocols, which `make literature` fills."""
RANDOM_NETWORKS = REPORTS / "random_networks"
EXPORTED = Path("figures")
"""What `unrolled figures` makes."""
RUNS = Path("runs")
"""What `unrolled run` makes, a folder a study."""


def experiment(study: str) -> Path:
    """Return the resolved experiment of a study."""
    return EXPERIMENTS / f"{study}.json"


def data_row(study: str) -> Path:
    """Return the part of it that its data depend on."""
    return EXPERIMENTS / f"{study}.data.json"


def dataset(study: str) -> Path:
    """Return the folder of a study's arrays and their sidecar."""
    return DATASETS / study


def sidecar(study: str) -> Path:
    """Return the file that says how a study's arrays came about."""
    return dataset(study) / "dataset.json"


def trained(study: str) -> Path:
    """Return the folder of a study's trained methods."""
    return TRAINED / study


def evaluated(study: str) -> Path:
    """Return the folder of a study's scores and tables."""
    return STUDIES / study


def run_own_code(module: str) -> None:
    """Start again with the code of the folder one stands in, where another is installed.

    A clone, a git worktree or a copy with its `.venv` has an environment that may point at the `src` it was installed
    from; what runs must be what DVC hashes and git shows.
    """
    here, mine = Path("src").resolve(), Path(__file__).resolve().parent.parent
    if here == mine or not (here / "unrolled" / "__init__.py").is_file():
        return
    others = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and Path(each) != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), *others])
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])  # on Windows a new process, and so two PIDs
