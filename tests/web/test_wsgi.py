from __future__ import annotations

import functools
import io
import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from prio_middleware.errors import (
    BudgetExceededError,
    ConfigurationError,
    CredentialsRefusedError,
    PolicyError,
    TokenEndpointUnavailableError,
)
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from prio_middleware.telemetry.logs import forget
from prio_middleware.wsgi import CLIENT, CLIENTS, PrioMiddleware, WSGIReadyApp
from tests.web.helpers import BERLIN, NOWHERE, PRODUCTS, WRONG_SECRET, accounts_asked_for, nowhere, settings_for

RAN_OUT = TokenEndpointUnavailableError("The token endpoint is down.", client="shop", retry_after=7.2)
HEAD = [("Content-Type", "text/plain"), ("Content-Length", "8")]


class Server:
    """Plays a server's part in one request. Like gunicorn, it adds to a head that is replaced."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.closed = False

    def serve(self, app: WSGIApplication, method: str = "GET") -> Server:
        environ: WSGIEnvironment = {"wsgi.file_wrapper": FileWrapper, "REQUEST_METHOD": method}
        setup_testing_defaults(environ)
        chunks = app(environ, self.start_response)
        try:
            for chunk in chunks:
                assert self.statuses, "the body came before the head"
                self.body += chunk
        finally:
            getattr(chunks, "close", lambda: None)()
        return self

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        if exc_info and self.body:
            raise exc_info[1]
        self.statuses.append(status)
        self.headers += headers
        return self._write

    def _write(self, data: bytes) -> None:
        self.body += data


def answered(app: WSGIApplication, **options: Any) -> Server:
    return Server().serve(PrioMiddleware(app, nowhere(), **options))


def before_its_head(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise RAN_OUT


def after_its_head(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", HEAD)
    raise RAN_OUT


def in_its_first_part(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", HEAD)
    if environ:
        raise RAN_OUT
    yield b"never"


def in_a_group(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise ExceptionGroup("threads", [RAN_OUT])


def in_its_second_part(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", HEAD)
    yield b"half"
    raise RAN_OUT


def after_it_wrote(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", HEAD)(b"half")
    raise RAN_OUT


class TestClients:
    def test_every_request_has_the_clients(self, sandbox: Sandbox, settings: Settings) -> None:
        def products(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            assert environ["prio_middleware.client"] is environ["prio_middleware.clients"]["default"]
            answers = [environ[CLIENT].get(PRODUCTS), environ[CLIENTS]["berlin"].get(PRODUCTS)]
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(answer.status_code).encode() for answer in answers]

        app = PrioMiddleware(products, settings)
        assert [Server().serve(app).body for _ in range(3)] == [b"200200"] * 3
        assert set(accounts_asked_for(sandbox).values()) == {1}

    def test_without_a_default_client_there_are_only_named_ones(self) -> None:
        def names(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            assert CLIENT not in environ
            start_response("200 OK", [])
            return [" ".join(environ[CLIENTS]).encode()]

        settings = Settings.from_values(base_url="https://api.example", ca_file=NOWHERE["ca_file"], clients=BERLIN)
        assert Server().serve(PrioMiddleware(names, settings)).body == b"berlin"

    def test_the_environment_configures_the_clients(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        app = PrioMiddleware(before_its_head)
        assert app.clients["default"].get(PRODUCTS).status_code == 200


class TestStartup:
    def test_wrong_settings_stop_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PRIO_CLIENT_ID", "shop@example.com")
        with pytest.raises(ConfigurationError, match="client_secret"):
            PrioMiddleware(before_its_head)

    def test_a_client_that_cannot_be_made_stops_it(self, sandbox: Sandbox, tmp_path: Any) -> None:
        certificates = tmp_path / "ca.pem"
        certificates.write_text("nothing to see")
        with pytest.raises(ConfigurationError, match="certificates"):
            PrioMiddleware(before_its_head, settings_for(sandbox, ca_file=certificates))

    def test_warm_up_fetches_every_token(self, sandbox: Sandbox, settings: Settings) -> None:
        PrioMiddleware(before_its_head, settings, warm_up=True)
        assert accounts_asked_for(sandbox) == {client.client_id: 1 for client in settings.clients.values()}

    def test_without_warm_up_nothing_is_fetched(self, sandbox: Sandbox, settings: Settings) -> None:
        PrioMiddleware(before_its_head, settings)
        assert accounts_asked_for(sandbox) == {}

    def test_warm_up_with_wrong_credentials_stops_it(self, sandbox: Sandbox) -> None:
        with pytest.raises(CredentialsRefusedError) as caught:
            PrioMiddleware(before_its_head, settings_for(sandbox, client_secret=WRONG_SECRET), warm_up=True)
        assert caught.value.__context__ is None

    def test_warm_up_without_a_token_endpoint_does_not(self, caplog: pytest.LogCaptureFixture) -> None:
        PrioMiddleware(before_its_head, nowhere(), warm_up=True)
        assert "The application starts without a token" in caplog.text


class TestTokenFailures:
    def test_a_token_failure_becomes_503_with_retry_after_and_no_detail(
        self, subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
    ) -> None:
        for app in (before_its_head, after_its_head, in_its_first_part, in_a_group):
            with subtests.test(app.__name__):
                caplog.clear()
                forget()
                server = answered(app)
                assert server.statuses == ["503 Service Unavailable"]
                assert dict(server.headers) == {
                    "Content-Type": "text/plain; charset=utf-8",
                    "Content-Length": "20",
                    "Retry-After": "8",
                }
                assert server.body == b"Service Unavailable\n"
                ((logger, level, message),) = caplog.record_tuples
                assert (logger, level) == ("prio_middleware", logging.WARNING)
                assert str(RAN_OUT) in message

    def test_a_spent_budget_becomes_503(self) -> None:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            raise BudgetExceededError("Spent.", retry_after=41.5)

        assert dict(answered(app).headers)["Retry-After"] == "42"

    def test_once_the_answer_has_begun_the_error_is_raised(self, subtests: pytest.Subtests) -> None:
        for app in (in_its_second_part, after_it_wrote):
            with subtests.test(app.__name__):
                server = Server()
                with pytest.raises(TokenEndpointUnavailableError) as caught:
                    server.serve(PrioMiddleware(app, nowhere()))
                assert caught.value is RAN_OUT
                assert (server.statuses, server.body) == (["200 OK"], b"half")

    def test_any_other_error_is_the_applications_own(self, subtests: pytest.Subtests) -> None:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if lazily:
                return (raise_it() for _ in range(1))
            return [raise_it()]

        def raise_it() -> bytes:
            raise error

        others = (PolicyError("Not there."), ValueError("Not that."), ExceptionGroup("threads", [RAN_OUT, ValueError()]))
        for error, lazily in itertools.product(others, (False, True)):
            with subtests.test(repr(error), lazily=lazily):
                with pytest.raises(type(error)) as caught:
                    answered(app)
                assert caught.value is error


class TestTransparency:
    def test_an_answer_passes_as_it_is(self, subtests: pytest.Subtests) -> None:
        def app(wrap: Any, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
            start_response("201 Created", HEAD)
            return wrap([b"four", b"more"])

        for wrap in (list, tuple, iter, lambda parts: (part for part in parts)):
            with subtests.test(wrap.__name__):
                server = answered(functools.partial(app, wrap))
                assert (server.statuses, server.headers, server.body) == (["201 Created"], HEAD, b"fourmore")

    def test_an_empty_body_has_a_head(self) -> None:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
            start_response("204 No Content", [])
            yield from ()

        assert answered(app).statuses == ["204 No Content"]

    def test_a_list_and_a_file_reach_the_server_as_such(self) -> None:
        bodies: list[Any] = [[b"list"], FileWrapper(io.BytesIO(b"file"))]

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
            start_response("200 OK", [])
            return environ["body"]

        wrapped = PrioMiddleware(app, nowhere())
        for body in bodies:
            assert wrapped({"wsgi.file_wrapper": FileWrapper, "body": body}, Server().start_response) is body

    def test_what_the_application_says_last_counts_until_its_body_begins(self) -> None:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", HEAD)
            start_response("500 Oh", [], (ValueError, ValueError(), None))  # type: ignore[arg-type]  # None: as good as a traceback here
            yield b"oh"

        server = answered(app)
        assert (server.statuses, server.headers) == (["500 Oh"], [])

    def test_a_head_after_the_body_has_begun_is_the_servers_to_refuse(self) -> None:
        error = ValueError()

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", HEAD)
            yield b"half"
            start_response("500 Oh", [], (ValueError, error, None))  # type: ignore[arg-type]  # None: as good as a traceback here

        with pytest.raises(ValueError, match=r"^$") as caught:
            answered(app)
        assert caught.value is error

    @pytest.mark.parametrize("iterated", [True, False])
    def test_a_body_is_closed(self, iterated: bool) -> None:
        class Body:
            closed = False

            def __iter__(self) -> Iterator[bytes]:
                yield b"body"

            def close(self) -> None:
                self.closed = True

        body = Body()

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
            start_response("200 OK", [])
            return body

        wrapped: Any = PrioMiddleware(app, nowhere())({}, Server().start_response)
        assert not iterated or list(wrapped) == [b"body"]
        wrapped.close()
        assert body.closed

    @pytest.mark.parametrize("app", [in_its_first_part, before_its_head])
    def test_the_middleware_follows_the_wsgi_specification(self, app: WSGIApplication) -> None:
        environ: WSGIEnvironment = {"QUERY_STRING": ""}
        setup_testing_defaults(environ)
        body = validator(PrioMiddleware(app, nowhere()))(environ, Server().start_response)
        assert b"".join(body) == b"Service Unavailable\n"
        body.close()  # type: ignore[attr-defined]  # the validator's bodies have it


def test_the_answer_to_head_has_no_body(subtests: pytest.Subtests) -> None:
    for app in (before_its_head, after_its_head, in_its_first_part, in_a_group, WSGIReadyApp()):
        with subtests.test(f"{app}"):
            server = Server().serve(PrioMiddleware(app, nowhere()), "HEAD")
            assert server.body == b""
            assert int(dict(server.headers)["Content-Length"]) > 0


class TestReadiness:
    def test_readiness_is_served_inside_the_middleware(self) -> None:
        server = answered(WSGIReadyApp())
        assert server.statuses == ["200 OK"]
        assert b'"ready": true' in server.body

    def test_elsewhere_the_error_says_what_to_add(self) -> None:
        with pytest.raises(ConfigurationError, match=r"PrioMiddleware\(application\)"):
            Server().serve(WSGIReadyApp())
