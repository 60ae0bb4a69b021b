"""Where every file lies, relative to the project's root (the folder of `dvc.yaml`)."""

from pathlib import Path

PARAMS = Path("params.yaml")
DATA = Path("data")
TRAINED = DATA / "trained"
METHODS = DATA / "methods"
REPORTS = Path("reports")
FIGURES = REPORTS / "figures"
INDEX = REPORTS / "index.html"
LOCAL = REPORTS / "local.html"
PUBLISHED = REPORTS / "published.json"
METRICS = REPORTS / "metrics.json"
CLAIMS = REPORTS / "claims.json"
THEORY = REPORTS / "theory"


def dataset(study: str) -> Path:
    """Return the folder of a study's arrays and their sidecar."""
    return DATA / study


def trained(study: str) -> Path:
    """Return the folder of a study's trained methods."""
    return TRAINED / study


def evaluated(study: str) -> Path:
    """Return the folder of a study's scores and tables."""
    return REPORTS / "studies" / study
