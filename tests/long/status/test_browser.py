"""The status page as a browser shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.wait import WebDriverWait
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount

from prio_middleware.asgi import PrioMiddleware, StatusPage
from prio_middleware.sandbox.listener import Listener
from prio_middleware.sandbox.sandbox_options import Listen
from prio_middleware.web.clients import Clients
from prio_middleware.web.status.page import respond, route
from prio_middleware.web.status.report import Client, Status
from scripts.headless import chromium, look_like, missing
from tests.status import helpers
from tests.web.helpers import PRODUCTS

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from starlette.types import ASGIApp, Receive, Scope, Send

    from prio_middleware.sandbox import Sandbox
    from prio_middleware.settings import Settings

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no browser: {missing()}")

LONG = "a-client-whose-name-was-made-by-a-machine-and-is-longer-than-any-telephone-is-wide"

CONTRAST = """
function parts(colour) { return colour.match(/[\\d.]+/g).map(Number); }
function luminance(colour) {
  const [r, g, b] = parts(colour).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (parts(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
}
const found = {};
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  if (!own || !element.checkVisibility()) continue;
  const [light, dark] = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => b - a);
  found[`${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}`] = (light + 0.05) / (dark + 0.05);
}
for (const bar of document.querySelectorAll(".bar")) {
  if (!bar.checkVisibility() || !bar.firstElementChild.offsetWidth) continue;
  const colours = [bar, bar.firstElementChild].map((at) => getComputedStyle(at).backgroundColor);
  const [light, dark] = colours.map(luminance).sort((a, b) => b - a);
  found[`bar ${bar.getAttribute("aria-valuetext")}`] = 1.5 * (light + 0.05) / (dark + 0.05); // graphics: 3 to 1 will do
}
return found;
"""


class Stage:
    """A page that shows what a test puts on it.

    Attributes:
        clients: what is shown.
        fails: answers that are 500 instead.
        asked: questions of the page so far.
    """

    def __init__(self) -> None:
        self.clients: tuple[Client, ...] = helpers.every_condition()
        self.at = helpers.AT
        self.pid = 4242
        self.fails = False
        self.asked = 0
        self.query = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, mount = route(scope)
        self.query = scope["query_string"].decode()
        answer = respond(scope["method"], path, mount, self._look, query=self.query)
        if path == "/status.json" and self.fails:
            answer = answer._replace(status=500)
        await Response(*answer)(scope, receive, send)

    def _look(self) -> Status:
        self.asked += 1
        return helpers.status(*self.clients, at=self.at, pid=self.pid)


class Page:
    """The page in the browser."""

    def __init__(self, browser: Chrome, url: str, stage: Stage) -> None:
        self.browser = browser
        self.url = url
        self.stage = stage

    def open(self, width: int = 1280, *, dark: bool = False, still: bool = True) -> None:
        look_like(self.browser, width=width, dark=dark, still=still)
        self.browser.get(self.url)
        self.until(lambda: self.feed == "live")

    @property
    def feed(self) -> str:
        return str(self.run("return document.body.dataset.feed"))

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def text(self, selector: str) -> str:
        """Return the visible text."""
        return str(
            self.run(f"const at = document.querySelector({selector!r}); return at?.checkVisibility() ? at.innerText : ''")
        )

    def poll(self) -> None:
        """Ask now: it does whenever it is seen again."""
        self.run("document.dispatchEvent(new Event('visibilitychange'))")

    def until(self, met: Callable[[], object]) -> None:
        WebDriverWait(self.browser, 30, poll_frequency=0.02).until(lambda _: met())

    def press(self, *keys: str) -> str:
        """Press keys. Returns what then has the focus."""
        ActionChains(self.browser).send_keys(*keys).perform()
        return str(self.run("const at = document.activeElement; return at.id || at.innerText.split('\\n').join(' ')"))

    def complaints(self) -> list[str]:
        entries: Any = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


@pytest.fixture(scope="module")
def url(stage: Stage) -> Iterator[str]:
    with_slash = serve(Starlette(routes=[Mount("/ops/status", stage)]))
    url = next(with_slash)
    yield f"{url}/ops/status/"
    next(with_slash, None)


@pytest.fixture
def page(browser: Chrome, url: str, stage: Stage) -> Page:
    stage.__init__()  # type: ignore[misc]  # as it was
    page = Page(browser, url, stage)
    page.complaints()
    return page


def serve(app: ASGIApp) -> Iterator[str]:
    sock = Listen(tls=False).bind()
    listener = Listener(app, sock, None)
    listener.start()
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    listener.stop()


def test_a_revoked_token_is_seen_on_the_page(browser: Chrome, stage: Stage, sandbox: Sandbox, settings: Settings) -> None:
    served = serve(PrioMiddleware(Starlette(routes=[Mount("/status", StatusPage())]), settings))
    page = Page(browser, f"{next(served)}/status", stage)
    clients = Clients(settings)
    clients["default"].get(PRODUCTS)
    page.open()
    assert page.text("#client-0 .badge") == "Ready"
    assert page.text("#client-0 .life .figure").startswith(("1 h", "59 min"))
    fetched, again = (page.text(f"#client-0 {part}") for part in ("tbody tr", ".counts"))
    assert "initial" in fetched

    sandbox.admin.revoke()
    clients["default"].get(PRODUCTS)

    page.until(lambda: "rejected" in page.text("#client-0 tbody tr"))
    page.until(lambda: page.text("#client-0 .counts") != again)
    assert "succeeded" in page.text("#client-0 .counts")
    assert page.complaints() == []
    clients.close()
    next(served, None)


def test_everything_is_shown(page: Page) -> None:
    page.open()
    assert page.text("h1") == "Token status"
    assert "Process 4242 on web-1, since 20" in page.text("#process")
    assert page.text("#summary") == "4 clients: 1 not ready, 1 warning, 1 idle, 1 ready"
    assert page.run("return document.title") == "(!) 1 not ready, 1 warning, 1 idle, 1 ready - prio status"
    assert page.text("#client-0 .life .figure") == "42 min 10 s"
    assert page.text("#client-0 .budget .figure") == "3 of 60"
    assert page.text("#client-0 .counts").split("\n")[1] == "12,430 cached, 4 fetched, 17 waited"
    assert page.text("#client-1 .badge") == "Not ready"
    assert page.text("#client-1 .life .aside") == "Next fetch in 7 s"
    assert page.text("#client-1 .failed") == "invalid_client"
    assert page.text("#client-2 tbody tr:last-child").split()[-6:] == ["ok", "3", "attempts,", "shared", "2.3", "s"]
    assert "redis reachable, 12 hits, 3 published" in page.text("#client-2 .counts")
    assert page.text("#client-3 table") == ""


def test_requests_per_second_are_those_between_two_answers(page: Page) -> None:
    page.open()
    assert page.text("#client-0 .rate .figure") == "…"
    page.stage.at += 10
    page.stage.clients = (helpers.client(responses={"200": 12345 + 124, "201": 87, "403": 3}),)
    page.poll()
    page.until(lambda: page.text("#client-0 .rate .figure") == "12.4")


def test_a_bar_says_in_words_what_it_shows(page: Page) -> None:
    page.open()
    found = page.browser.find_elements("css selector", "#client-0 [role=meter]")
    names = ("aria-label", "aria-valuemin", "aria-valuenow", "aria-valuemax", "aria-valuetext")
    life, budget = ({name: bar.get_dom_attribute(name) for name in names} for bar in found)
    assert life["aria-label"] == "Token lifetime left"
    assert (life["aria-valuemin"], life["aria-valuenow"], life["aria-valuemax"]) == ("0", "2530.4", "3600")
    assert life["aria-valuetext"] == "42 min 10 s of 1 h"
    assert (budget["aria-label"], budget["aria-valuetext"]) == ("4xx, last minute", "3 of 60")


def test_a_screen_reader_finds_its_way(page: Page) -> None:
    page.open()
    tree = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    assert {role for role, _ in named} >= {"banner", "main", "contentinfo", "status", "meter", "heading", "list"}
    assert {("navigation", "Clients"), ("region", "berlin"), ("table", "Last fetches"), ("columnheader", "Outcome")} <= named
    assert ("meter", "Token lifetime left") in named


def test_the_keyboard_goes_through_it_in_order(page: Page) -> None:
    page.open()
    order = [page.press(Keys.TAB) for _ in range(8)]
    assert order == [
        "Skip to the clients",
        "pause",
        "default Ready",
        "berlin Not ready",
        "partner Warning",
        "reports Idle",
        "Show all 8 fetches",
        "status.json",
    ]
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_first_link_skips_to_the_clients(page: Page) -> None:
    page.open()
    page.press(Keys.TAB)
    assert page.run("return document.activeElement.getBoundingClientRect().left") >= 0
    assert page.press(Keys.ENTER) == "clients"


def test_all_fetches_are_shown_where_they_are_wanted(page: Page) -> None:
    page.open()
    rows = "return document.querySelectorAll('#client-0 tbody tr').length"
    assert page.run(rows) == 5
    page.run("document.querySelector('#client-0 .more').click()")
    assert page.run(rows) == 8
    page.poll()
    page.until(lambda: page.stage.asked > 1)
    assert (page.run(rows), page.text("#client-0 .more")) == (8, "Show fewer fetches")


def test_what_is_old_is_seen_to_be_old(page: Page) -> None:
    page.open()
    assert page.text("#alarm") == ""
    page.stage.fails = True
    page.poll()
    page.until(lambda: page.feed == "stale")
    assert page.text("#alarm").startswith("No status since ")
    assert page.text("#alarm").endswith(": the server answered 500. The figures below are from then.")
    assert page.text("#feed").startswith("Stale for ")
    assert page.run("return getComputedStyle(document.querySelector('.client')).filter") == "grayscale(1)"
    assert page.text("#client-0 .life .figure") == "42 min 10 s"

    page.stage.fails = False
    page.poll()
    page.until(lambda: page.feed == "live")
    assert page.text("#alarm") == ""


def test_the_page_can_be_paused(page: Page) -> None:
    page.open()
    page.run("document.getElementById('pause').click()")
    assert (page.feed, page.text("#pause")) == ("paused", "Resume")
    asked = page.stage.asked
    page.poll()
    page.run("document.getElementById('pause').click()")
    page.until(lambda: page.feed == "live")
    assert page.stage.asked == asked + 1


def test_an_answer_that_comes_after_the_pause_changes_nothing(page: Page) -> None:
    page.open()
    page.stage.clients = page.stage.clients[:1]
    page.run("document.dispatchEvent(new Event('visibilitychange')); document.getElementById('pause').click()")
    page.until(lambda: page.stage.asked == 2)
    page.browser.execute_async_script("const done = arguments[0]; fetch('status.json').then((a) => a.json()).then(done)")
    assert (page.feed, page.text("#summary")[:9]) == ("paused", "4 clients")


def test_several_processes_at_one_address_are_shown(page: Page) -> None:
    page.open()
    assert page.text("#workers") == ""
    page.stage.pid = 17
    page.poll()
    page.until(lambda: "at this address: 17, 4242" in page.text("#workers"))
    assert page.text("#client-0 .rate .figure") == "…"


def test_of_many_clients_only_those_that_are_shown_are_fetched(page: Page) -> None:
    page.open()
    assert page.text("#find") == ""
    page.stage.clients = tuple(helpers.client(f"tenant-{number}") for number in range(500))
    page.poll()
    page.until(lambda: page.text("#found") == "1 to 24 of 500")
    assert page.text("#summary") == "500 clients: 500 ready"
    assert page.run("return document.querySelectorAll('.client').length") == 24

    page.run("document.getElementById('next').click()")
    page.until(lambda: page.text("#found") == "25 to 48 of 500")
    assert page.text("#client-0 h2") == "tenant-24"

    page.run("document.getElementById('text').focus()")
    page.press("TENANT-49")
    page.until(lambda: page.text("#found") == "1 to 11 of 11")
    assert page.run("return [...document.querySelectorAll('h2')].map((at) => at.textContent)")[:3] == [
        "tenant-49",
        "tenant-490",
        "tenant-491",
    ]
    assert page.run("return document.activeElement.id") == "text"
    page.until(lambda: "q=TENANT-49" in page.stage.query)  # An earlier request may arrive late; the next poll follows.
    page.run("const at = document.getElementById('level'); at.value = 'bad'; at.dispatchEvent(new Event('change'))")
    page.until(lambda: page.text("#found") == "No client matches.")
    assert page.complaints() == []


def test_clients_come_and_go(page: Page) -> None:
    page.open()
    page.stage.clients = page.stage.clients[:1]
    page.poll()
    page.until(lambda: page.run("return document.querySelectorAll('.client').length") == 1)
    assert page.text("nav") == ""
    assert page.text("#summary") == "1 client: 1 ready"


def test_what_is_said_is_text(page: Page) -> None:
    evil = "<img src=x onerror=document.title='owned'><b>"
    fetches = (dataclasses.replace(helpers.FAILED, outcome=evil),)
    page.stage.clients = (helpers.client(evil, responses={evil: 1}, fetches=fetches),)
    page.open()
    assert page.text("h2") == evil
    assert page.run("return document.querySelectorAll('main img, main b b').length") == 0
    assert evil in page.text("tbody")
    assert page.complaints() == []


def test_the_browser_has_nothing_to_complain_of(page: Page) -> None:
    page.open()
    assert page.complaints() == []
    page.run("console.error('planted')")
    assert "planted" in " ".join(page.complaints())


def test_what_is_not_the_pages_own_is_not_let_in(page: Page) -> None:
    page.open()
    page.run(
        "const style = document.createElement('style'); style.textContent = 'body { display: none }';"
        "document.head.append(style);"
        "const image = new Image(); image.src = 'https://127.0.0.1:1/x.png';"
    )
    page.until(lambda: len(page.complaints()) > 0)
    assert page.run("return getComputedStyle(document.body).display") == "block"
    with pytest.raises(Exception, match="TrustedHTML"):
        page.run("document.body.innerHTML = '<p>'")
    page.until(lambda: len(page.complaints()) > 0)  # Else the next test may read it.


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("fails", [False, True], ids=["live", "stale"])
def test_every_word_can_be_read(page: Page, dark: bool, fails: bool) -> None:
    page.open(dark=dark)
    page.stage.pid += 1
    page.stage.fails = fails
    page.poll()
    page.until(lambda: page.text("#alarm" if fails else "#workers"))
    found: dict[str, float] = page.run(CONTRAST)
    assert len(found) > 50
    assert {words: ratio for words, ratio in found.items() if ratio < 4.5} == {}
    assert (page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(16, 22, 28)") is dark


@pytest.mark.parametrize("width", [320, 360, 768, 1920])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    evil = dataclasses.replace(helpers.FAILED, outcome="x" * 64, attempts=10**9)
    page.stage.clients = (*helpers.every_condition(), helpers.client(LONG, fetches=(evil, *helpers.FETCHES)))
    page.open(width=width)
    assert page.run("return document.documentElement.scrollWidth") == width
    assert page.run("return [...document.querySelectorAll('.client')].filter((c) => c.scrollWidth > c.clientWidth).length") == 0


@pytest.mark.parametrize(("still", "moving"), [(True, "none"), (False, "width 0.4s ease-out")])
def test_reduced_motion_turns_animations_off(page: Page, still: bool, moving: str) -> None:
    page.open(still=still)
    assert page.run("return getComputedStyle(document.querySelector('.bar div')).transition") == moving
