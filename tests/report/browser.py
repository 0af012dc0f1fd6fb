"""A real browser for the report: Debian's Chromium, headless, without network."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.needs import need

_PROGRAMS = ("chromium", "chromedriver")
_PATIENCE = 120.0
_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)


@dataclass(frozen=True)
class Browser:
    """One browser; *downloads* is where it saves files."""

    driver: Chrome
    downloads: Path

    def open(self, page: Path) -> None:
        """Open *page* and wait until it has checked itself."""
        self.driver.get(page.as_uri())
        self.wait("return document.documentElement.dataset.ready === 'yes'")

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 # what the script returns
        """Return what *script* returns in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str) -> None:
        """Wait until *script* returns something true."""
        end = time.monotonic() + _PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, script
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        """Return the text of an element, drawn or not."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def cells(self, selector: str) -> list[list[str]]:
        """Return the cells of each row under *selector*."""
        found: list[list[str]] = self.run(
            "return [...document.querySelectorAll(`${arguments[0]} tr`)]"
            ".map((row) => [...row.cells].map((cell) => cell.textContent))",
            selector,
        )
        return found

    def verdict(self) -> str:
        """Return the verdict of the page."""
        return str(self.run("return document.getElementById('verdict').dataset.verdict"))

    def bad_rows(self) -> list[int]:
        """Return the numbers of the rows that are red, after following the link of the verdict to the first."""
        self.run("const link = document.querySelector('#verdict-link a'); if (link) link.click()")
        self.wait(
            "const a = document.querySelector('#verdict-link a'); return !a || document.querySelector('#rows tr.bad')"
        )
        rows = self.run("return [...document.querySelectorAll('#rows tr.bad')].map((row) => row.id)")
        return [int(str(row).removeprefix("event-")) for row in rows]

    def fill(self, **values: str | bool) -> None:
        """Set filters of the table of events."""
        self.run(
            "const e = document.getElementById('filters').elements;"
            "for (const [name, value] of Object.entries(arguments[0]))"
            " if (typeof value === 'boolean') e[name].checked = value; else e[name].value = value;"
            "document.getElementById('filters').dispatchEvent(new Event('input'))",
            values,
        )

    def save(self, selector: str, name: str) -> bytes:
        """Press a button and return the file *name* that it saves."""
        target = self.downloads / name
        target.unlink(missing_ok=True)
        self.run("document.querySelector(arguments[0]).click()", selector)
        end = time.monotonic() + _PATIENCE
        while not (target.exists() and target.stat().st_size):  # it is there before its bytes are
            assert time.monotonic() < end, name
            time.sleep(0.02)
        return target.read_bytes()

    def complaints(self) -> list[str]:
        """Return what the console has said since it was asked last, violations of the policy among it."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call] # selenium's own


@contextmanager
def started(folder: Path) -> Iterator[Browser]:
    """Give a browser that keeps all that is its own in *folder*."""
    need_browser()
    downloads = folder / "downloads"
    downloads.mkdir()
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        allowed = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
        yield Browser(driver, downloads)
    finally:
        driver.quit()


def need_browser() -> None:
    """Skip where the browser is missing; in CI that is a failure."""
    need(*_PROGRAMS, packages="chromium chromium-driver")
