"""What a person sees of the report, in headless Chromium."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import made_up
from conftest import Experiments
from unrolled.report.page import render

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def page(random_networks: Experiments, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a whole page from made-up results."""
    folder, results = tmp_path_factory.mktemp("page"), made_up.results(random_networks)
    experiments = {study.name: made_up.experiment(study) for study in results.studies}
    claim = {"number": 1, "claim": "?", "measure": "?", "figure": "headline", "verdict": "holds", "words": "?"}
    claim |= {"kind": "measured", "stability": 0.97}
    render.write(results, experiments, [claim], folder)
    return folder / "index.html"


@pytest.fixture(params=[400, 1400])
def report(browser: webdriver.Chrome, page: Path, request: pytest.FixtureRequest) -> webdriver.Chrome:
    """Open the page at the width of a phone and of a wide screen."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": request.param < 500},
    )
    browser.get(page.as_uri())
    return browser


def test_report_opens_without_console_errors(report: webdriver.Chrome) -> None:
    assert [entry for entry in report.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def test_report_has_its_headings(report: webdriver.Chrome) -> None:
    headings = [element.text for element in report.find_elements(By.TAG_NAME, "h2")]
    studies = ["The study study", "The other other"]
    assert headings == ["Findings", "Comparison", "Why they forget", *studies, "Methods", "Reproduce"]


def test_report_does_not_scroll_sideways_and_figures_fill_it(report: webdriver.Chrome) -> None:
    width = report.execute_script("return window.innerWidth")
    assert report.execute_script("return document.documentElement.scrollWidth") <= width
    figures = report.find_elements(By.CSS_SELECTOR, "figure img")
    assert len(figures) >= 10
    assert all(figure.size["height"] > 100 and figure.size["width"] > 0.8 * min(width, 900) for figure in figures)


def test_every_figure_loads_and_has_a_text_alternative(report: webdriver.Chrome) -> None:
    for image in report.find_elements(By.CSS_SELECTOR, "figure img"):
        report.execute_script("arguments[0].loading = 'eager'", image)
        WebDriverWait(report, 20).until(lambda page, image=image: page.execute_script(LOADED, image))
        assert len(image.get_dom_attribute("alt") or "") > 10


LOADED = "return arguments[0].complete && arguments[0].naturalWidth > 100"


def test_every_link_of_the_report_leads_somewhere(report: webdriver.Chrome) -> None:
    links = [a.get_dom_attribute("href") or "" for a in report.find_elements(By.CSS_SELECTOR, "main a")]
    assert links
    for link in links:
        assert link.startswith("https://") or report.find_elements(By.ID, link.removeprefix("#")), link


def test_no_id_stands_twice(report: webdriver.Chrome) -> None:
    ids = report.execute_script("return Array.from(document.querySelectorAll('[id]')).map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_report_asks_for_nothing_from_outside(report: webdriver.Chrome, page: Path) -> None:
    loaded = report.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith(("data:", page.parent.as_uri())) for name in loaded), loaded
