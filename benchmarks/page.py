"""How soon the page of the published study is there, from a disk, beside the same page with every figure at once."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks._browser import INSTALL, headless
from benchmarks._measure import Row, alternating, row

REPORTS = Path(__file__).parents[1] / "reports/full"
LAZY = ' loading="lazy"'
LOAD_END = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


def loading(browser: webdriver.Chrome, page: Path) -> float:
    """Return the seconds until the page and what it loads at once are there."""
    browser.get(page.as_uri())
    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(LOAD_END) > 0)
    return float(browser.execute_script(LOAD_END)) / 1000


def eager(page: str) -> str:
    """Return a page that loads all its figures at once."""
    return page.replace(LAZY, "")


def rows() -> Iterator[Row]:
    """Yield one row, if there is a Chromium."""
    with tempfile.TemporaryDirectory() as name:
        browser = headless(Path(name) / "profile")
        if browser is None:
            print(f"page: not measured: no Chromium ({INSTALL})")
            return
        folder = Path(name) / "reports"
        shutil.copytree(REPORTS, folder, ignore=shutil.ignore_patterns("records"))
        other = folder / "eager.html"
        other.write_text(eager((folder / "index.html").read_text(encoding="utf-8")), encoding="utf-8")
        with browser:
            sides = [lambda path=path: loading(browser, path) for path in (folder / "index.html", other)]
            yield row("page of the published study opens", "with every figure at once", *alternating(6, *sides))
