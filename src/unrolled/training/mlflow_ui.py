"""`python -m unrolled.training.mlflow_ui 5000`: MLflow's pages of the store, for this machine only."""

import os
import socket
import sys
from urllib.parse import quote, urlencode

from mlflow.tracking import MlflowClient

from unrolled import errors, paths
from unrolled.errors import UnrolledError
from unrolled.training import mlflow_store

HOST = "127.0.0.1"
ELSEWHERE = ("MLFLOW_HOST", "MLFLOW_UVICORN_OPTS", "MLFLOW_GUNICORN_OPTS", "UVICORN_HOST", "GUNICORN_CMD_ARGS")
"""Of the environment: what could open the pages to others."""


def free(port: int) -> bool:
    """Return whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def links(client: MlflowClient, address: str) -> list[str]:
    """Return the address of each study's methods, sorted by test score, the best first."""
    found = [each for each in client.search_experiments() if each.tags.get("owner") == mlflow_store.owner()]
    lines = [f"MLflow: {address} (end it with Ctrl-C)"]
    width = max((len(each.name) for each in found), default=0)
    for each in sorted(found, key=lambda each: each.name):
        query = {"workflowType": "machine_learning", "searchFilter": "tags.kind = 'method'"}
        query |= {"orderByKey": "metrics.`test/score`", "orderByAsc": str(each.tags.get("better") != "higher").lower()}
        place = f"{address}/#/experiments/{each.experiment_id}/runs?{urlencode(query, quote_via=quote)}"
        lines.append(f"  {each.name.ljust(width)}  {place}")
    return lines


@errors.one_line
def main(given: str) -> None:
    """Become MLflow's server on a port.

    Raises
    ------
    UnrolledError
        If the port is none or taken, or the store cannot be used; the remedy is named.
    """
    if not given.isdecimal() or not 0 < int(given) < 2**16:
        raise UnrolledError(f"PORT is '{given}': give a number from 1 to 65535, as in `make ui PORT=5001`")
    if mlflow_store.uri().startswith("http"):
        raise UnrolledError(f"MLFLOW_TRACKING_URI is a server, which has its own pages: open {mlflow_store.named()}")
    port = int(given)
    if not free(port):
        other = next((each for each in range(port + 1, port + 100) if each < 2**16 and free(each)), 8080)
        raise UnrolledError(f"port {port} is taken: `make ui PORT={other}`, or end the program that listens there")
    print("\n".join(links(mlflow_store.connect(), f"http://{HOST}:{port}")), flush=True)
    for name in ELSEWHERE:
        os.environ.pop(name, None)
    command = ["-m", "mlflow", "ui", "--backend-store-uri", mlflow_store.uri(), "--workers", "1"]
    os.execv(sys.executable, [sys.executable, *command, "--host", HOST, "--port", str(port)])


if __name__ == "__main__":
    paths.run_own_code("unrolled.training.mlflow_ui")
    main(*sys.argv[1:])
