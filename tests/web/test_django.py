from __future__ import annotations

import asyncio
import copy
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import django
import httpx
import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import path, re_path

from prio_middleware.django import PrioMiddleware, ready, status_page
from prio_middleware.errors import ConfigurationError, CredentialsRefusedError, TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox
from tests.web.helpers import BERLIN, NOWHERE, PRODUCTS, WRONG_SECRET, accounts_asked_for, values_for

MIDDLEWARE = "prio_middleware.django.PrioMiddleware"
SYNC_ONE = f"{__name__}.sync_middleware"
SOCKS = "socks5://127.0.0.1:1"
DOWN = {**NOWHERE, "clients": BERLIN}


def sync_view(request: Any) -> HttpResponse:
    assert isinstance(request.prio, httpx.Client)
    return JsonResponse(
        [request.prio.get(PRODUCTS).status_code, request.prio_clients["berlin"].get(PRODUCTS).status_code], safe=False
    )


async def async_view(request: Any) -> HttpResponse:
    assert isinstance(request.prio, httpx.AsyncClient)
    answers = [await request.prio.get(PRODUCTS), await request.prio_clients["berlin"].get(PRODUCTS)]
    return JsonResponse([answer.status_code for answer in answers], safe=False)


def failing_view(request: HttpRequest) -> HttpResponse:
    raise ValueError("Not a token's fault.")


def sync_middleware(get_response: Any) -> Any:
    """One that uses the client itself, and that Django can only run in a thread."""

    def middleware(request: Any) -> HttpResponse:
        assert request.prio.get("/system/ping").status_code == 200
        response: HttpResponse = get_response(request)
        return response

    return middleware


urlpatterns = [
    path("sync", sync_view),
    path("async", async_view),
    path("fail", failing_view),
    path("ready", ready),
    re_path(r"^status(?P<path>/.*)?$", status_page),
]

if not django_settings.configured:
    django_settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of the tests",
        INSTALLED_APPS=["prio_middleware.django.PrioConfig"],
    )
    django.setup()


@pytest.fixture
def site(sandbox: Sandbox) -> Iterator[Sandbox]:
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=[MIDDLEWARE], PRIO=values_for(sandbox)):
        yield sandbox


def get(url: str, **options: Any) -> Any:
    """Under WSGI."""
    return Client(**options).get(url)


def aget(url: str, **options: Any) -> Any:
    """Under ASGI."""

    async def get() -> Any:
        return await AsyncClient(**options).get(url)

    return asyncio.run(get())


@pytest.mark.parametrize("get", [get, aget])
class TestViews:
    @pytest.mark.parametrize("url", ["/sync", "/async"])
    def test_the_client_is_of_the_views_kind(self, site: Sandbox, get: Any, url: str) -> None:
        assert get(url).json() == [200, 200]
        assert set(accounts_asked_for(site).values()) == {1}

    @pytest.mark.usefixtures("site")
    def test_what_a_sync_middleware_used_before_does_not_matter(self, subtests: pytest.Subtests, get: Any) -> None:
        orders = ([MIDDLEWARE, SYNC_ONE], [MIDDLEWARE, SYNC_ONE, MIDDLEWARE])
        for url, order in itertools.product(("/sync", "/async"), orders):
            with subtests.test(url, order=order), override_settings(MIDDLEWARE=order):
                assert get(url).json() == [200, 200]

    @pytest.mark.parametrize("url", ["/sync", "/async"])
    def test_a_token_failure_becomes_503_with_retry_after_and_no_detail(
        self, site: Sandbox, get: Any, url: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with override_settings(PRIO=DOWN):
            answer = get(url)
        assert (answer.status_code, answer.headers["Retry-After"], answer.content) == (503, "10", b"Service Unavailable\n")
        assert str(NOWHERE["base_url"]) in caplog.text

    def test_any_other_error_is_the_applications_own(self, site: Sandbox, get: Any) -> None:
        with pytest.raises(ValueError, match="Not a token's fault"):
            get("/fail")

    def test_readiness_is_a_view(self, site: Sandbox, get: Any) -> None:
        assert get("/ready").json()["ready"] is True

    def test_readiness_without_the_middleware_says_what_to_add(self, site: Sandbox, get: Any) -> None:
        with override_settings(MIDDLEWARE=[]), pytest.raises(ConfigurationError, match="to MIDDLEWARE"):
            get("/ready")

    def test_the_status_page_is_a_view(self, site: Sandbox, get: Any) -> None:
        assert get("/status/").headers["Content-Type"] == "text/html; charset=utf-8"
        assert get("/status/status.css").status_code == 200
        assert [client["name"] for client in get("/status/status.json").json()["clients"]] == ["default", "berlin"]
        assert [client["name"] for client in get("/status/status.json?q=BER").json()["clients"]] == ["berlin"]
        assert get("/status/nothing").status_code == 404
        without_slash = get("/status")
        assert (without_slash.status_code, without_slash.headers["Location"]) == (307, "./status/")

    def test_the_status_page_without_the_middleware_says_what_to_add(self, site: Sandbox, get: Any) -> None:
        with override_settings(MIDDLEWARE=[]), pytest.raises(ConfigurationError, match="to MIDDLEWARE"):
            get("/status/status.json")


def test_the_status_page_is_read_only(site: Sandbox) -> None:
    answer = Client().post("/status/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


class TestTheRequestsClient:
    @pytest.fixture
    def request_(self, site: Sandbox) -> Any:
        request = HttpRequest()
        PrioMiddleware(lambda request: HttpResponse())(request)
        return request

    def test_the_client_of_a_request_can_be_copied_with_it(self, request_: Any) -> None:
        assert isinstance(copy.copy(request_).prio, httpx.Client)
        assert isinstance(copy.copy(request_.prio), httpx.Client)

    def test_there_are_the_names_of_the_settings(self, request_: Any) -> None:
        assert list(request_.prio_clients) == ["default", "berlin"]
        assert len(request_.prio_clients) == 2
        assert "berlin" in request_.prio_clients
        with pytest.raises(ConfigurationError, match="did you mean 'berlin'"):
            request_.prio_clients["berlim"]


class TestStartup:
    def test_wrong_settings_stop_it(self, subtests: pytest.Subtests) -> None:
        for handler in (WSGIHandler, ASGIHandler):
            with subtests.test(handler.__name__), override_settings(MIDDLEWARE=[MIDDLEWARE], PRIO={"client_idd": "shop"}):
                with pytest.raises(ConfigurationError, match=r"PRIO: .*client_idd") as caught:
                    handler()
                assert caught.value.__context__ is None

    def test_the_environment_configures_what_the_settings_leave_out(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        seen: Any = HttpRequest()
        middleware = PrioMiddleware(lambda request: HttpResponse())
        middleware(seen)
        assert seen.prio.get(PRODUCTS).status_code == 200

    def test_warm_up_with_wrong_credentials_stops_it(self, sandbox: Sandbox) -> None:
        values = values_for(sandbox, client_secret=WRONG_SECRET)
        with override_settings(PRIO=values, PRIO_WARM_UP=True), pytest.raises(CredentialsRefusedError):
            PrioMiddleware(lambda request: HttpResponse())


class TestCheck:
    """Return the messages of ``manage.py check``."""

    @pytest.mark.parametrize(
        ("values", "problem"),
        [({"client_idd": "shop"}, "client_idd"), ({**DOWN, "library": "httpx2", "proxy": SOCKS}, "socksio")],
    )
    def test_wrong_settings_are_reported(self, values: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "socksio", None)
        with override_settings(PRIO=values):
            messages = run_checks()
        assert [message.id for message in messages] == ["prio_middleware.E001"]
        assert problem in messages[0].msg
        assert messages[0].hint

    def test_right_settings_are_not(self, site: Sandbox) -> None:
        with override_settings(PRIO=values_for(site, client_idd="shop")):
            assert [message.id for message in run_checks()] == ["prio_middleware.E001"]  # So the check is registered.
        assert run_checks() == []


@override_settings(MIDDLEWARE=[MIDDLEWARE], PRIO=DOWN, ALLOWED_HOSTS=["shop.example"])
@pytest.mark.pitfall(id="rebound-host")
def test_django_s_own_check_of_the_host_holds_for_the_status_page() -> None:
    browser = Client()

    assert browser.get("/status/", headers={"Host": "shop.example"}).status_code == 200
    assert browser.get("/status/", headers={"Host": "evil.example"}).status_code == 400


@override_settings(MIDDLEWARE=[MIDDLEWARE], PRIO=DOWN)
def test_the_answer_to_head_has_no_body() -> None:
    rf = RequestFactory()
    middleware = PrioMiddleware(ready)
    failure = TokenEndpointUnavailableError("Down.")
    unavailable = middleware.process_exception(rf.head("/fail"), failure)
    assert unavailable
    answers = [middleware(rf.head("/ready")), unavailable]
    assert [answer.content for answer in answers] == [b"", b""]
    assert all(int(answer.headers["Content-Length"]) > 0 for answer in answers)
    assert middleware(rf.get("/ready")).content
