"""What a person sees: the report and the MLflow UI in headless Chromium."""

import os
import shutil
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

from pipeline import BIN, STUDIES

pytestmark = [pytest.mark.browser, pytest.mark.pipeline, pytest.mark.filterwarnings("ignore::ResourceWarning")]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        if os.environ.get("UNROLLED_BROWSER") == "required":
            pytest.fail("Chromium and its driver are required here: apt-get install chromium chromium-driver")
        pytest.skip("no Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(params=[400, 1400])
def report(browser: webdriver.Chrome, repro: Path, request: pytest.FixtureRequest) -> webdriver.Chrome:
    """Open the report at the width of a phone and of a wide screen."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": request.param < 500},
    )
    browser.get((repro / "reports/index.html").as_uri())
    return browser


def test_report_opens_without_console_errors(report: webdriver.Chrome) -> None:
    assert [entry for entry in report.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def test_report_has_its_headings(report: webdriver.Chrome) -> None:
    headings = [element.text for element in report.find_elements(By.TAG_NAME, "h2")]
    assert headings == ["Findings", "Comparison", "Why they forget", *STUDIES, "Methods", "Reproduce"]


def test_report_does_not_scroll_sideways_and_figures_fill_it(report: webdriver.Chrome) -> None:
    width = report.execute_script("return window.innerWidth")
    assert report.execute_script("return document.documentElement.scrollWidth") <= width
    figures = report.find_elements(By.CSS_SELECTOR, "figure svg")
    assert len(figures) >= 10
    assert all(figure.size["height"] > 100 and figure.size["width"] > 0.8 * min(width, 900) for figure in figures)


def test_every_link_of_the_report_leads_somewhere(report: webdriver.Chrome) -> None:
    links = [a.get_dom_attribute("href") for a in report.find_elements(By.CSS_SELECTOR, "main a")]
    assert links
    for link in links:
        assert link is not None and report.find_elements(By.ID, link.removeprefix("#")), link


def test_no_id_stands_twice(report: webdriver.Chrome) -> None:
    ids = report.execute_script("return Array.from(document.querySelectorAll('[id]')).map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_report_asks_for_nothing_from_outside(report: webdriver.Chrome) -> None:
    loaded = report.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


@pytest.fixture(scope="module")
def mlflow_ui(repro: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(BIN / "mlflow"), "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--port", str(port)]
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


def see(browser: webdriver.Chrome, *texts: str, seconds: float = 60) -> None:
    """Wait until the page shows every text."""

    def shown(page: webdriver.Chrome) -> bool:
        body = page.find_element(By.TAG_NAME, "body").text
        return all(text in body for text in texts)

    WebDriverWait(browser, seconds, ignored_exceptions=(Exception,)).until(shown, f"page does not show {texts}")


def test_mlflow_lists_the_experiments(browser: webdriver.Chrome, mlflow_ui: str, repro: Path) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 1400, "height": 1200, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(f"{mlflow_ui}/#/experiments")
    see(browser, "sine", "noisy_sine", "oscillator")


def test_mlflow_shows_nested_runs_and_a_chart(browser: webdriver.Chrome, mlflow_ui: str, store) -> None:  # type: ignore[no-untyped-def]
    experiment = store.get_experiment_by_name("sine").experiment_id
    browser.get(f"{mlflow_ui}/#/experiments/{experiment}/runs")
    see(browser, "lstm", "gru", "comparison")
    [run] = store.search_runs([experiment], "tags.method = 'gru'")
    [child, *_] = store.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    browser.get(f"{mlflow_ui}/#/experiments/{experiment}/runs/{child.info.run_id}")
    see(browser, "gru seed", "Parent run", "best_val_loss")
    browser.get(f"{mlflow_ui}/#/experiments/{experiment}/runs/{child.info.run_id}/model-metrics")
    see(browser, "val_loss", "train_loss")
    WebDriverWait(browser, 60).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".js-plotly-plot, canvas"))
