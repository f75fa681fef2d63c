"""Writes docs/images/status-*.png, the status page of a busy application: ``python -m scripts.screenshots``. It takes a minute.

It needs Chromium and its driver, and the packages of the tests.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from prio_middleware.demo.dashboard import fault_script, running
from scripts.headless import chromium, look_like, missing

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from prio_middleware.sandbox import Sandbox

FOLDER = Path(__file__).parents[1] / "docs" / "images"

PICTURES = {"status-light": (1600, False), "status-dark": (1600, True), "status-phone": (360, True)}
"""Names, widths, and whether they are dark."""

HOST = "shop-1"
"""The host's name on the pictures, instead of that of the machine where they are taken."""

SAMPLES = 60
"""Questions that fill a curve."""


def main() -> int:
    """Take the pictures. Returns the exit status."""
    obstacle = missing()
    if obstacle:
        sys.stderr.write(f"{obstacle}\n")
        return 1
    socket.gethostname = lambda: HOST
    with running() as (url, sandbox), chromium() as browser:
        look_like(browser, width=1600)
        browser.get(url)
        _let_things_happen(browser, sandbox)
        for name, (width, dark) in PICTURES.items():
            _take(browser, name, width=width, dark=dark)
    return 0


def _let_things_happen(browser: Chrome, sandbox: Sandbox) -> None:
    script = fault_script(sandbox)
    next(script)
    for sample in range(SAMPLES):
        if sample in (SAMPLES // 3, SAMPLES - 6):  # a revocation, and then a wrong secret
            next(script)
        browser.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
        time.sleep(1)


def _take(browser: Chrome, name: str, *, width: int, dark: bool) -> None:
    look_like(browser, width=width, height=100, dark=dark)
    height = int(browser.execute_script("return document.documentElement.scrollHeight"))
    look_like(browser, width=width, height=min(height, 1600), dark=dark)
    FOLDER.mkdir(exist_ok=True)
    browser.save_screenshot(str(FOLDER / f"{name}.png"))


if __name__ == "__main__":
    sys.exit(main())
