"""What a person sees of the report, in headless Chromium."""

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import made_up
from benchmarks.page import eager
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
    render.write(results, experiments, [claim], folder, made_up.answers())
    return folder / "index.html"


@pytest.fixture(params=[400, 1400])
def report(browser: webdriver.Chrome, page: Path, request: pytest.FixtureRequest) -> webdriver.Chrome:
    """Open the page at the width of a phone and of a wide screen."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": request.param < 500},
    )
    browser.get_log("browser")  # what other pages had said
    browser.get(page.as_uri())
    return browser


def test_report_opens_without_console_errors(report: webdriver.Chrome) -> None:
    assert [entry for entry in report.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def test_report_has_its_headings(report: webdriver.Chrome) -> None:
    headings = [element.text for element in report.find_elements(By.TAG_NAME, "h2")]
    first = ["What they remember", "Choose for your task", "Short answers"]
    rest = ["Can I trust this?", "Leaderboard", "Why they forget", "The studies", "Methods", "Glossary", "Reproduce"]
    assert headings == [*first, *rest]
    levels = [int(e.tag_name[1]) for e in report.find_elements(By.CSS_SELECTOR, "h1, h2, h3, h4")]
    assert levels[0] == 1 and all(b <= a + 1 for a, b in pairwise(levels)), "no level is left out"


def unfold(report: webdriver.Chrome) -> None:
    report.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")


def test_report_does_not_scroll_sideways_and_figures_fill_it(report: webdriver.Chrome) -> None:
    width = report.execute_script("return window.innerWidth")
    for opened in (False, True):
        if opened:
            unfold(report)
        assert report.execute_script("return document.documentElement.scrollWidth") <= width
    figures = report.find_elements(By.CSS_SELECTOR, "figure img")
    assert len(figures) >= 10
    sizes = {each.get_dom_attribute("src"): each.size for each in figures}
    narrow = {
        name: size for name, size in sizes.items() if size["height"] < 80 or size["width"] < 0.8 * min(width, 900)
    }
    assert narrow == {}


def test_on_paper_no_table_loses_a_column(browser: webdriver.Chrome, page: Path) -> None:
    for path in (page, REAL):
        wide = {"width": PAPER, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide)
        browser.get(path.as_uri())
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        try:
            browser.execute_script("dispatchEvent(new Event('beforeprint'))")
            lost = browser.execute_script(
                "return [...document.querySelectorAll('table')]"
                ".filter(t => t.getBoundingClientRect().right > innerWidth + 1).map(t => t.caption.textContent)"
            )
            hidden = browser.execute_script("return document.querySelectorAll('details:not([open])').length")
        finally:
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        assert (lost, hidden) == ([], 0), path


PAPER = 1046
"""Pixels of an A4 page across, less its margins."""
REAL = Path(__file__).parents[1] / "reports" / "full" / "index.html"
"""The page of the published study."""


def test_the_published_page_is_light(browser: webdriver.Chrome) -> None:
    assert REAL.stat().st_size < 2e6
    browser.get(REAL.as_uri())
    assert browser.execute_script("return document.getElementsByTagName('*').length") < 15_000
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith(("data:", REAL.parent.as_uri())) for name in loaded), loaded


OUTSIDE = re.compile(r"""(?:href|src)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//|@import""")
"""In an SVG: what would be fetched from a network."""


def test_the_published_page_loads_little_before_it_is_there(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Figures further down wait until they are near; how many seconds that saves is for `benchmarks/page.py`."""

    def at_once(path: Path) -> int:
        browser.get(path.as_uri())
        WebDriverWait(browser, 60).until(lambda page: page.execute_script("return document.readyState") == "complete")
        return int(browser.execute_script("return [...document.images].filter(each => each.naturalWidth).length"))

    text = REAL.read_text(encoding="utf-8")
    (tmp_path / "figures").symlink_to(REAL.parent / "figures")
    (tmp_path / "index.html").write_text(eager(text), encoding="utf-8")
    assert at_once(REAL) <= 20 < 50 < at_once(tmp_path / "index.html")


def test_nothing_of_the_published_page_comes_from_a_network(browser: webdriver.Chrome) -> None:
    """Neither what it loads, nor what it would load further down, or for print, or by its styles."""
    browser.get(REAL.as_uri())
    places = browser.execute_script(
        "return [...document.querySelectorAll('[src], [srcset], [data], [poster], link[href], use, image')].map("
        "e => [e.src, e.srcset, e.data, e.poster, e.tagName == 'LINK' && e.href, e.getAttribute('xlink:href')]"
        ".filter(Boolean)).flat().map(String)"
    )
    assert len(places) > 50
    assert [place for place in places if not place.startswith(("data:", REAL.parent.as_uri()))] == []
    styles = "\n".join(
        browser.execute_script("return [...document.querySelectorAll('style, [style]')].map(e => e.outerHTML)")
    )
    assert "@import" not in styles and "//" not in "".join(re.findall(r"url\([^)]*\)", styles))
    figures = {unquote(urlsplit(place).path) for place in places if place.endswith(".svg")}
    assert len(figures) > 50
    for path in map(Path, figures):
        assert not re.search(
            r"""(?:href|src)=["']?https?:|url\(["']?https?:|@import""", path.read_text(encoding="utf-8")
        )


ASKED = {
    "for a memory of 1000 steps": ("#memory-map", "1000 steps"),
    "for chaos in closed loop": ("#choose", "Forecast chaos in closed loop"),
    "for a driven oscillator": ("#choose", "Driven oscillator"),
    "from measured data": ("#choose", "Model measured data"),
    "is clipping worth it": ("#answers", "Is clipping the gradient worth it?"),
    "does initialisation matter": ("#answers", "Does orthogonal initialisation help?"),
    "LSTM or GRU": ("#answers", "Is the LSTM better than the GRU?"),
    "how sure": ("#answers", "How sure are the choices?"),
    "what was not converged": ("#answers", "What has not converged?"),
    "how do I run it": ("#answers", "make repro"),
}


def test_ten_questions_are_answered_on_the_first_two_screens(browser: webdriver.Chrome) -> None:
    wide = {"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide)
    browser.get(REAL.as_uri())
    for question, (place, words) in ASKED.items():
        section = browser.find_element(By.CSS_SELECTOR, place)
        assert words in section.text, question
        assert section.rect["y"] + section.rect["height"] <= 2 * 900, question
    answers = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "#answers dd")]
    assert all(len(each.split()) >= 4 for each in answers), "each says something"
    assert len((browser.find_element(By.CSS_SELECTOR, ".answer").text).split()) <= 60


def test_tables_sort_and_a_method_is_followed(report: webdriver.Chrome) -> None:
    column = (
        "return [...document.querySelectorAll('#leaderboard table')[0].tBodies[0].rows].map(r => r.cells[1].dataset.v)"
    )
    button = report.find_elements(By.CSS_SELECTOR, "#leaderboard th button")[1]
    for descending in (False, True):
        report.execute_script("arguments[0].click()", button)
        values = [float(each or "inf") for each in report.execute_script(column)]
        assert values == sorted(values, reverse=descending) and len(values) > 2
    method = report.find_element(By.CSS_SELECTOR, "#leaderboard tr[data-m] th")
    report.execute_script("arguments[0].click()", method)
    assert report.execute_script("return location.hash").startswith("#m=")
    followed = report.execute_script("return [...document.querySelectorAll('tr.followed')].map(r => r.dataset.m)")
    assert len(followed) > 2 and len(set(followed)) == 1, "in every table that has it"
    report.execute_script("location.hash = '#other'")
    WebDriverWait(report, 5).until(lambda page: page.execute_script("return document.getElementById('other').open"))


def test_every_figure_loads_and_has_a_text_alternative(report: webdriver.Chrome) -> None:
    unfold(report)
    for image in report.find_elements(By.CSS_SELECTOR, "figure img"):
        report.execute_script("arguments[0].loading = 'eager'", image)
        WebDriverWait(report, 20).until(lambda page, image=image: page.execute_script(LOADED, image))
        assert len(image.get_dom_attribute("alt") or "") > 10


LOADED = "return arguments[0].complete && arguments[0].naturalWidth > 100"


def test_every_link_of_the_report_leads_somewhere(report: webdriver.Chrome, page: Path) -> None:
    links = [a.get_dom_attribute("href") or "" for a in report.find_elements(By.CSS_SELECTOR, "a")]
    inside = {link for link in links if link.startswith("#")}
    assert len(inside) > 10
    for link in inside:
        assert report.find_elements(By.ID, link.removeprefix("#")), link
    files = {link for link in links if link.startswith("figures/")}
    assert files and all((page.parent / link).is_file() for link in files)
    data = {"metrics.json", "claims.json", "answers.json", "published.json"}
    assert {link for link in links if not link.startswith(("#", "figures/", "https://"))} == data


def test_no_id_stands_twice(report: webdriver.Chrome) -> None:
    ids = report.execute_script("return Array.from(document.querySelectorAll('[id]')).map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_report_asks_for_nothing_from_outside(report: webdriver.Chrome, page: Path) -> None:
    loaded = report.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith(("data:", page.parent.as_uri())) for name in loaded), loaded
