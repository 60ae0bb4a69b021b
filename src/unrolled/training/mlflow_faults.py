"""What is wrong with an MLflow store, in the user's words, and the remedy."""

import re
import textwrap
from pathlib import Path

import mlflow

MIGRATIONS = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
ANEW = "move it away, and `unrolled track` logs everything again"
FAULTS = (
    (r"No space left|disk is full|Disk quota", "its disk is full", "free some space there"),
    (r"database is locked", "another program holds it", "end that program, or wait until it is done"),
    (r"not a database|malformed|no such table", "it is damaged or no SQLite database", ANEW),
    (
        r"error code (401|403)|UNAUTHENTICATED|PERMISSION_DENIED",
        "it does not let us in",
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    ),
    (r"error code [34]\d\d|valid JSON", "what answers there is no MLflow server", "correct MLFLOW_TRACKING_URI"),
    (r"too many 5\d\d", "the server reports an error of its own", "look into its log, and start it again"),
    (r"Max retries|refused|timed out", "it does not answer", "start it, or correct or unset MLFLOW_TRACKING_URI"),
)
"""Words in an error of MLflow, SQLite or the operating system; what they mean; the remedy."""


def masked(text: str) -> str:
    """Return a text without the user's name and password in its addresses."""
    return re.sub(r"//[^/\s]*@", "//***@", text)


def of(error: Exception, store: str) -> tuple[str, str]:
    """Return what is wrong with a store, named so, and the remedy."""
    said = " ".join(str(error).split())
    if found := re.search(r"out-of-date database schema \(found version (\w+)", said):
        if not any(MIGRATIONS.glob(f"{found[1]}_*.py")):
            return f"a newer MLflow than {mlflow.__version__} made it", f"install that one, or {ANEW}"
        return "an older MLflow made it", f"copy it somewhere, then run `mlflow db upgrade {store}`"
    for words, reason, remedy in FAULTS:
        if re.search(words, said):
            return reason, remedy
    return textwrap.shorten(masked(said), 160), "make it writable, or name another in MLFLOW_TRACKING_URI"
