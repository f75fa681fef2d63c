"""The documentation builds without a warning, loads nothing from other hosts, and has no broken link."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.long.docs.blocks import ROOT

LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("object", "data")}
LOADING_LINKS = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}
BESIDE_THE_DOCS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


class Assets(HTMLParser):
    """Collects what a browser loads by itself to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        relations = set((given.get("rel") or "").split())
        self.found += [value for name, value in attrs if value and (tag, name) in LOADED]
        if tag == "link" and relations & LOADING_LINKS:
            self.found.append(given.get("href") or "")


def assets(page: Path) -> list[str]:
    parser = Assets()
    parser.feed(page.read_text())
    return parser.found


def local_links(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            yield target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", target],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (build.returncode, build.stdout + build.stderr) == (0, "")
    return target


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    loaded = {asset for page in pages for asset in assets(page)}
    assert len(pages) > 20
    assert any(asset.endswith(".css") for asset in loaded)
    assert [asset for asset in loaded if re.match(r"([a-z]+:)?//", asset)] == []


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert styles
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\s)]*", styles) == []


def test_docstrings_are_shown_without_the_marks_of_other_tools(site: Path) -> None:
    text = "".join(path.read_text() for path in (site / "reference" / "api").glob("*.html"))
    assert text
    assert re.findall(r":(?:class|func|meth|mod|attr):|&gt;&gt;&gt;|<p>::", text) == []


def test_a_public_transport_has_the_docstring_of_its_base_class(site: Path) -> None:
    text = (site / "reference" / "api" / "clients.html").read_text()
    assert text.count("The public modules derive one class for each HTTP library") == 2


def test_the_pages_beside_it_link_to_what_is_there() -> None:
    targets = [(page.name, target) for page in BESIDE_THE_DOCS for target in local_links(page)]
    assert len(targets) > 20
    assert [(page, target) for page, target in targets if not (ROOT / target).exists()] == []
