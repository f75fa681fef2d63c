"""Draw the pictures of the documentation from real runs: ``python -m scripts.pictures FOLDER``. It takes a minute and a half.

``make docs`` draws them into the site; ``make pictures`` into ``docs/images``. If a program is missing, the pictures that are
there stay.
"""

from __future__ import annotations

import logging
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from prio_middleware.sandbox import Sandbox

PROGRAMS = ("chromium", "chromedriver", "prometheus", "redis-server")

STATUS_PICTURES = {"status-light": False, "status-dark": True}
"""True for the dark theme, by name."""

WIDTH = 1600
"""Pixels."""

HOST = "shop-1"
"""Name of the host on the pictures, instead of the name of this machine."""

SAMPLES = 60
"""Updates of the status page that fill its curves, one a second."""


def main(arguments: Sequence[str]) -> int:
    """Write the pictures into a folder. Return the exit status."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        print(f"The committed pictures are kept: {', '.join(missing)} not installed.")
        return 0
    from scripts import dashboard_picture

    folder = Path(*arguments)
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor() as pool:
        for picture in [pool.submit(take, folder) for take in (dashboard_picture.take, take_status_page)]:
            picture.result()
    return 0


def take_status_page(folder: Path) -> None:
    """Write the pictures of the status page after a run of a minute."""
    from scripts.demo_dashboard import running
    from scripts.headless import chromium, look_like

    socket.gethostname = lambda: HOST
    logging.getLogger("prio_middleware").setLevel(logging.CRITICAL)
    with running() as (url, sandbox), chromium() as browser:
        look_like(browser, width=WIDTH)
        browser.get(url)
        _cause_faults(browser, sandbox)
        for name, dark in STATUS_PICTURES.items():
            look_like(browser, width=WIDTH, height=100, dark=dark)
            height = int(browser.execute_script("return document.documentElement.scrollHeight"))
            look_like(browser, width=WIDTH, height=height, dark=dark)
            browser.save_screenshot(str(folder / f"{name}.png"))


def _cause_faults(browser: Chrome, sandbox: Sandbox) -> None:
    """Update the page once a second. Cause a revocation meanwhile, and change a secret near the end."""
    from scripts.demo_dashboard import fault_script

    script = fault_script(sandbox)
    next(script)
    for sample in range(SAMPLES):
        if sample in (SAMPLES // 3, SAMPLES - 6):
            next(script)
        browser.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
