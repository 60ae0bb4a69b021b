"""What a person sees of the pipeline's runs in the MLflow UI, in headless Chromium."""

import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import pipeline
from pipeline import BIN

pytestmark = [
    pytest.mark.browser,
    pytest.mark.pipeline,
    pytest.mark.xdist_group("pipeline"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def mlflow_ui(repro: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(BIN / "mlflow"),
        "ui",
        "--backend-store-uri",
        "sqlite:///mlflow.db",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    server = subprocess.Popen(command, cwd=repro, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=1):
                break
        except OSError:
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(20)


@pytest.fixture(autouse=True)
def wide(browser: webdriver.Chrome) -> None:
    """Give every test a window in which MLflow draws its charts, which it does only of what is in sight."""
    size = {"width": 1400, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def see(browser: webdriver.Chrome, *texts: str, seconds: float = 120) -> None:
    """Wait until the page shows every text."""

    def shown(page: webdriver.Chrome) -> bool:
        body = page.find_element(By.TAG_NAME, "body").text
        return all(text in body for text in texts)

    WebDriverWait(browser, seconds, ignored_exceptions=(Exception,)).until(shown, f"page does not show {texts}")


def test_mlflow_lists_the_experiments(browser: webdriver.Chrome, mlflow_ui: str) -> None:
    browser.get(f"{mlflow_ui}/#/experiments")
    see(browser, "unrolled/sine", "unrolled/noisy_sine", "unrolled/oscillator")


def test_the_link_of_make_ui_opens_the_methods_sorted_by_score(
    browser: webdriver.Chrome, mlflow_ui: str, store, repro: Path
) -> None:  # type: ignore[no-untyped-def]
    command = [
        "python",
        "-c",
        "from unrolled.training import mlflow_store, mlflow_ui; "
        f"print(*mlflow_ui.links(mlflow_store.connect(), '{mlflow_ui}'), sep='\\n')",
    ]
    links = dict(line.split() for line in pipeline.run(repro, *command).stdout.splitlines()[1:])
    rows = json.loads((repro / "reports/metrics.json").read_text())["sine"]["methods"]
    ranked = sorted((name for name in rows if rows[name]["rank"]), key=lambda name: rows[name]["rank"])
    browser.get(links["unrolled/sine"])
    see(browser, *ranked[:3])
    text = browser.find_element(By.TAG_NAME, "body").text
    places = [re.search(rf"^{name}$", text, re.M) for name in ranked[:3]]
    assert all(places) and [m.start() for m in places] == sorted(m.start() for m in places), text[:2000]


def test_mlflow_shows_nested_runs_and_a_chart(browser: webdriver.Chrome, mlflow_ui: str, store) -> None:  # type: ignore[no-untyped-def]
    experiment = store.get_experiment_by_name("unrolled/sine").experiment_id
    browser.get(f"{mlflow_ui}/#/experiments/{experiment}/runs")
    see(browser, "lstm", "gru", "rnn")
    [run] = store.search_runs([experiment], "tags.method = 'gru'")
    [child, *_] = store.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    browser.get(f"{mlflow_ui}/#/experiments/{experiment}/runs/{child.info.run_id}")
    see(browser, "gru seed", "Parent run", "val/best_loss")
    browser.get(f"{mlflow_ui}/#/experiments/{experiment}/runs/{child.info.run_id}/model-metrics")
    see(browser, "val/loss", "train/loss")
    WebDriverWait(browser, 120).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".js-plotly-plot, canvas"))
