from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Blueprint, Flask, Response

from prio_middleware.errors import (
    BudgetExceededError,
    ConfigurationError,
    CredentialsRefusedError,
    TokenEndpointUnavailableError,
    TokenError,
)
from prio_middleware.flask import Prio, current_client, current_clients, ready
from prio_middleware.sandbox import Sandbox
from tests.web.helpers import BERLIN, PRODUCTS, WRONG_SECRET, accounts_asked_for, nowhere, settings_for, values_for

catalogue = Blueprint("catalogue", __name__)


@catalogue.get("/catalogue")
def products_of_both() -> list[int]:
    return [current_client.get(PRODUCTS).status_code, current_clients["berlin"].get(PRODUCTS).status_code]


def shop(prio: Prio, configuration: Any) -> Flask:
    """As an application factory makes it."""
    app = Flask(__name__)
    app.config["PRIO"] = configuration
    prio.init_app(app)

    @app.get("/")
    def products() -> list[int]:
        return [prio.client.get(PRODUCTS).status_code, prio.clients["berlin"].get(PRODUCTS).status_code]

    app.register_blueprint(catalogue)
    app.add_url_rule("/ready", view_func=ready)
    return app


@pytest.mark.parametrize("path", ["/", "/catalogue"])
def test_a_view_has_the_clients(sandbox: Sandbox, path: str) -> None:
    browser = shop(Prio(), values_for(sandbox)).test_client()
    assert [browser.get(path).json for _ in range(3)] == [[200, 200]] * 3
    assert set(accounts_asked_for(sandbox).values()) == {1}


def test_the_environment_configures_the_clients(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    app = Flask(__name__)
    prio = Prio(app)

    @app.get("/")
    def products() -> str:
        return str(prio.client.get(PRODUCTS).status_code)

    assert app.test_client().get("/").text == "200"


def test_the_applications_configuration_goes_over_the_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    app = Flask(__name__)
    app.config["PRIO"] = {"scope": "of the application"}
    prio = Prio(app)
    with app.app_context():
        assert prio.clients.settings.client().scope == "of the application"
        assert prio.clients.settings.client().base_url == sandbox.base_url


def test_one_extension_serves_applications_with_settings_of_their_own(sandbox: Sandbox) -> None:
    prio = Prio()
    first = shop(prio, settings_for(sandbox))
    second = shop(prio, nowhere(clients=BERLIN))
    assert first.test_client().get("/").status_code == 200
    assert second.test_client().get("/").status_code == 503
    with first.app_context(), second.app_context():
        assert prio.client is current_clients["default"]
        assert "127.0.0.1:1/" in str(prio.client.base_url)


class TestTokenFailures:
    def test_a_token_failure_becomes_503_with_retry_after_and_no_detail(self, caplog: pytest.LogCaptureFixture) -> None:
        answer = shop(Prio(retry_after=4.5), nowhere()).test_client().get("/")
        assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (503, "5", "Service Unavailable\n")
        assert "Answered 503: " in caplog.text

    def test_a_token_failure_raised_by_a_view_becomes_503(self) -> None:
        app = shop(Prio(), nowhere())

        @app.get("/fail")
        def fail() -> Response:
            raise TokenEndpointUnavailableError("Down.", retry_after=0.1)

        assert app.test_client().get("/fail").headers["Retry-After"] == "1"

    def test_a_spent_budget_becomes_503(self) -> None:
        app = shop(Prio(), nowhere())

        @app.get("/fail")
        def fail() -> Response:
            raise BudgetExceededError("Spent.", retry_after=41.5)

        answer = app.test_client().get("/fail")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "42")

    def test_in_debug_mode_it_is_the_same(self) -> None:
        app = shop(Prio(), nowhere())
        app.config |= {"TESTING": True, "PROPAGATE_EXCEPTIONS": True}
        assert app.test_client().get("/").status_code == 503

    def test_a_handler_of_the_applications_own_takes_its_place(self) -> None:
        app = shop(Prio(), nowhere())
        app.register_error_handler(TokenError, lambda _: ("later", 418))
        assert app.test_client().get("/").status_code == 418

    def test_a_handler_for_the_librarys_errors_takes_its_place_in_a_blueprint_only(self) -> None:
        app, part = shop(Prio(), nowhere()), Blueprint("part", __name__)
        for place in (app, part):
            place.register_error_handler(httpx.TransportError, lambda _: ("unreachable", 502))
        part.add_url_rule("/part", view_func=lambda: current_client.get(PRODUCTS).text)
        app.register_blueprint(part)

        browser = app.test_client()
        assert (browser.get("/").status_code, browser.get("/part").status_code) == (503, 502)

    def test_a_configuration_error_is_none(self) -> None:
        app = shop(Prio(), nowhere())
        app.testing = True

        @app.get("/paris")
        def paris() -> str:
            return str(current_clients["paris"])

        with pytest.raises(ConfigurationError, match="'paris'"):
            app.test_client().get("/paris")


class TestStartup:
    def test_wrong_settings_stop_it(self, subtests: pytest.Subtests) -> None:
        rows: list[tuple[Any, str]] = [
            ({"client_idd": "shop"}, "client_idd"),
            ("PRIO_CLIENT_ID=shop", "str"),
            ({1: "shop"}, "dict"),
        ]
        for configuration, problem in rows:
            with subtests.test(repr(configuration)):
                with pytest.raises(ConfigurationError, match=problem) as caught:
                    shop(Prio(), configuration)
                assert 'app.config["PRIO"]' in str(caught.value)
                assert caught.value.__context__ is None

    def test_a_mistake_elsewhere_is_not_blamed_on_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").write_text("PRIO_READ_TIMEOUT=never\n")
        with pytest.raises(ConfigurationError) as caught:
            shop(Prio(), {"client_id": "shop", "client_secret": "s", "connect_timeout": "x"})
        first, *others = caught.value.message.splitlines()
        assert first == "The settings are invalid:"
        told = sorted(line.strip(" -").partition(": ")[0] for line in others if line.strip())
        assert told == ["PRIO_READ_TIMEOUT in .env", 'app.config["PRIO"]']

    def test_no_frame_of_the_library_shows_a_secret(self, sandbox: Sandbox) -> None:
        values = values_for(sandbox, client_idd="shop")
        with pytest.raises(ConfigurationError) as caught:
            shop(Prio(), values)
        frames = [entry.frame for entry in caught.traceback if "/prio_middleware/" in str(entry.path)]
        shown = repr([frame.f_locals for frame in frames])
        assert frames
        assert values["client_secret"] not in shown

    def test_warm_up_with_wrong_credentials_stops_it(self, sandbox: Sandbox) -> None:
        with pytest.raises(CredentialsRefusedError):
            shop(Prio(warm_up=True), values_for(sandbox, client_secret=WRONG_SECRET))

    def test_an_application_that_was_not_given_to_it_is_an_error(self) -> None:
        with Flask(__name__).app_context(), pytest.raises(ConfigurationError, match=r"prio\.init_app\(app\)"):
            Prio().client.get(PRODUCTS)


def test_the_current_client_passes_for_the_real_one() -> None:
    with shop(Prio(), nowhere()).app_context():
        assert isinstance(current_client, httpx.Client)


def test_readiness_is_a_view() -> None:
    browser = shop(Prio(), nowhere(clients=BERLIN)).test_client()
    assert browser.get("/ready").get_json()["ready"] is True
    assert browser.get("/").status_code == 503
    answer = browser.get("/ready")
    assert (answer.status_code, answer.get_json()["clients"]["default"]["ready"]) == (503, False)
