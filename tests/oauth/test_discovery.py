"""The token endpoint found through metadata: when they are read, how often, and what comes of failures. In virtual time."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import (
    AccessToken,
    ClientCredentialsProvider,
    ConfigurationError,
    CredentialsRefusedError,
    DiscoveryError,
    InsecureTransportError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenOptions,
)
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.discovery import REREAD_PAUSE, Discovery, Issuer, may_have_moved
from prio_middleware.oauth.effects import Pause, Post, Wait
from prio_middleware.oauth.single_flight import NoResult
from prio_middleware.oauth.token_request import TokenRequest
from prio_middleware.oauth.token_response import TokenResponse
from tests.oauth import helpers
from tests.oauth.helpers import Clock, answer, inline, play, refused, token

ISSUER = "https://id.example/tenant"
OAUTH = "https://id.example/.well-known/oauth-authorization-server/tenant"
OPENID = "https://id.example/tenant/.well-known/openid-configuration"
TOKEN_URL = "https://id.example/tenant/token"
NEW_URL = "https://id.example/new/token"
LOST = TokenResponse(failure="ConnectError: refused")
NOT_FOUND = answer(404)


def metadata(token_url: str = TOKEN_URL, **members: object) -> TokenResponse:
    return answer(200, {"issuer": ISSUER, "token_endpoint": token_url, **members})


class Context:
    """A server that answers by URL, and a provider that is to find its way there."""

    def __init__(self, answers: dict[str, TokenResponse] | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.discovery = Discovery(Issuer(ISSUER))
        endpoint = dataclasses.replace(helpers.endpoint(), url=ISSUER)
        self.tokens = ClientCredentialsProvider(endpoint, discovery=self.discovery, clock=self.clock, **options)
        self.answers = {OAUTH: metadata(), TOKEN_URL: token(), NEW_URL: token(), **(answers or {})}
        self.requests: list[TokenRequest] = []
        self.while_asked: Callable[[TokenRequest], object] = lambda _: None

    def __call__(self, request: TokenRequest) -> TokenResponse:
        self.requests.append(request)
        self.while_asked(request)
        return self.answers.get(request.url, NOT_FOUND)

    def get(self, key: TokenOptions = DEFAULT_OPTIONS) -> AccessToken | TokenError:
        return play(self.tokens.acquire(key, None), self, self.clock)  # type: ignore[arg-type]  # it is called like the server of tests.oauth.helpers

    def get_another(self) -> AccessToken | TokenError:
        """Return a new token after a rejection of the last one."""
        kept = self.tokens.current(DEFAULT_OPTIONS, None)
        if kept:
            self.tokens.invalidate(kept)
        return self.get()

    @property
    def asked(self) -> list[str]:
        return [request.url for request in self.requests]


def failed(context: Context, kind: type[TokenError]) -> TokenError:
    error = context.get()
    assert isinstance(error, kind), error
    return error


def test_the_token_is_asked_for_where_the_metadata_say() -> None:
    context = Context()

    assert isinstance(context.get(), AccessToken)
    assert [(request.method, request.url) for request in context.requests] == [("GET", OAUTH), ("POST", TOKEN_URL)]
    assert (context.discovery.token_url, context.tokens.token_url) == (TOKEN_URL, TOKEN_URL)


def test_until_then_the_provider_is_known_by_its_issuer() -> None:
    context = Context()

    assert context.tokens.token_url == ISSUER
    assert ISSUER in repr(context.tokens)


def test_metadata_are_asked_for_without_credentials_and_bounded_like_a_token_request() -> None:
    context = Context()
    context.get()
    look = context.requests[0]

    assert look.headers == {"Accept": "application/json", "Accept-Encoding": "identity"}
    assert (look.body, look.timeout, look.total_seconds) == (b"", 10.0, 20.0)
    assert repr(look) == f"<TokenRequest GET {OAUTH}>"


def test_metadata_are_read_once() -> None:
    context = Context()
    for _ in range(3):
        context.clock.now += 3600
        context.get_another()

    assert context.asked == [OAUTH, TOKEN_URL, TOKEN_URL, TOKEN_URL]


def test_other_scopes_and_new_credentials_use_what_was_read() -> None:
    context = Context()
    context.get()
    context.get(TokenOptions(scope="orders"))
    context.tokens.replace_credentials(dataclasses.replace(helpers.endpoint("rotated"), url=ISSUER))
    context.get()

    assert context.asked == [OAUTH, TOKEN_URL, TOKEN_URL, TOKEN_URL]


def test_callers_that_come_meanwhile_wait_for_the_reader() -> None:
    context = Context()
    leader, waiter = (
        inline(context.tokens.acquire(DEFAULT_OPTIONS, None)),
        inline(context.tokens.acquire(DEFAULT_OPTIONS, None)),
    )

    reading = next(leader)
    assert isinstance(reading, Post)
    assert reading.request.method == "GET"
    assert isinstance(next(waiter), Wait)
    requesting = leader.send(metadata())
    assert isinstance(requesting, Post)
    assert requesting.request.method == "POST"
    with pytest.raises(StopIteration) as landed:
        leader.send(token())
    with pytest.raises(StopIteration) as heard:
        waiter.send(landed.value.value)
    assert heard.value.value is landed.value.value


def test_a_leader_cancelled_while_reading_hands_over() -> None:
    context = Context()
    leader, waiter = (
        inline(context.tokens.acquire(DEFAULT_OPTIONS, None)),
        inline(context.tokens.acquire(DEFAULT_OPTIONS, None)),
    )
    next(leader)
    waiting = next(waiter)
    assert isinstance(waiting, Wait)
    leader.close()

    assert waiting.fetch.outcome is NoResult.ABANDONED
    assert isinstance(waiter.send(NoResult.ABANDONED), Pause)
    context.clock.now += 1
    reading = waiter.send(None)
    assert isinstance(reading, Post)
    assert reading.request.method == "GET"
    waiter.close()


def test_where_the_first_place_has_nothing_of_use_the_second_is_asked(subtests: pytest.Subtests) -> None:
    firsts: list[TokenResponse] = [
        NOT_FOUND,
        answer(401),
        answer(403),
        answer(302, location="https://id.example/login"),
        TokenResponse(200, {"content-type": "text/html"}, b"<!doctype html>"),
        metadata(issuer="https://id.example"),
        metadata("https://elsewhere.example/token"),
    ]
    for first in firsts:
        with subtests.test(first=first):
            context = Context({OAUTH: first, OPENID: metadata()})

            assert isinstance(context.get(), AccessToken)
            assert context.asked == [OAUTH, OPENID, TOKEN_URL]


def test_metadata_that_do_not_do_are_an_error_that_names_both_places(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenResponse, TokenResponse, str, str]] = [
        (NOT_FOUND, NOT_FOUND, "status 404", DiscoveryError.default_remedy),
        (answer(302, location=NEW_URL), NOT_FOUND, f"a redirect with 302 to {NEW_URL}", DiscoveryError.default_remedy),
        (TokenResponse(200, {}, b"{}", truncated=True), NOT_FOUND, "the body is too long", DiscoveryError.default_remedy),
        (NOT_FOUND, metadata(issuer=f"{ISSUER}/"), f"another issuer, '{ISSUER}/'", "exactly that text"),
        (metadata("https://elsewhere.example/t"), NOT_FOUND, "at another origin than the issuer", "allowed_token_origins"),
        (metadata(token_endpoint_auth_methods_supported=["none"]), NOT_FOUND, "client_secret_basic, only: none", "client_auth"),
    ]
    for first, second, said, remedy in rows:
        with subtests.test(first=first, second=second, said=said, remedy=remedy):
            context = Context({OAUTH: first, OPENID: second})
            error = failed(context, DiscoveryError)

            assert (error.client, error.url) == ("shop", ISSUER)
            assert error.message.startswith(f"The authorization server's metadata name no usable token endpoint: at {OAUTH}, ")
            assert f"; at {OPENID}, " in error.message
            assert said in error.message
            assert remedy in error.remedy
            assert context.asked == [OAUTH, OPENID]


def test_advice_of_the_sender_is_given_with_unusable_metadata() -> None:
    context = Context({OAUTH: NOT_FOUND})
    context.while_asked = lambda request: setattr(request, "hint", "Try another way.")

    assert failed(context, DiscoveryError).remedy == f"{DiscoveryError.default_remedy} Try another way."


def test_unusable_metadata_cool_down_and_are_then_read_again() -> None:
    context = Context({OAUTH: NOT_FOUND})
    failed(context, DiscoveryError)
    context.clock.now += 4
    held = failed(context, DiscoveryError)
    assert held.retry_after == 6
    assert context.asked == [OAUTH, OPENID]
    context.clock.now += 6
    context.answers[OAUTH] = metadata()

    assert isinstance(context.get(), AccessToken)


def test_a_server_that_cannot_answer_now_is_tried_again_until_the_deadline_and_asked_nowhere_else(
    subtests: pytest.Subtests,
) -> None:
    rows: list[tuple[TokenResponse, str]] = [
        (LOST, "ConnectError: refused"),
        (TokenResponse(failure="", cause="timeout"), "unknown reason"),
        (answer(429), "status 429"),
    ]
    for busy, said in rows:
        with subtests.test(busy=busy, said=said):
            context = Context({OAUTH: busy})
            error = failed(context, TokenEndpointUnavailableError)

            assert (error.client, error.url, error.status_code) == ("shop", OAUTH, busy.status_code or None)
            assert isinstance(error, TokenEndpointUnavailableError)
            assert error.cause == busy.cause
            assert said in error.message
            assert "this machine can reach the URL" in error.remedy
            assert set(context.asked) == {OAUTH}
            assert len(context.asked) > 2
            assert context.clock.now <= 1030


@pytest.mark.pitfall(id="two-well-known-places")
def test_a_server_error_at_the_first_place_does_not_hide_the_second(subtests: pytest.Subtests) -> None:
    for status in (500, 503):
        with subtests.test(status=status):
            context = Context({OAUTH: answer(status), OPENID: metadata()})

            assert isinstance(context.get(), AccessToken)
            assert context.asked == [OAUTH, OPENID, TOKEN_URL]


def test_a_server_error_at_the_first_place_is_kept_where_the_second_does_not_help(subtests: pytest.Subtests) -> None:
    others: list[TokenResponse] = [NOT_FOUND, LOST, answer(502), metadata(issuer="https://other.example")]
    for other in others:
        with subtests.test(other=other):
            context = Context({OAUTH: answer(503), OPENID: other})
            error = failed(context, TokenEndpointUnavailableError)

            assert (error.url, error.status_code) == (OAUTH, 503)
            assert len(context.asked) > 2  # It is tried again.


def test_a_failure_that_passes_is_not_noticed() -> None:
    context = Context({OAUTH: LOST})

    def recover(_: TokenRequest) -> None:
        if len(context.requests) == 3:
            context.answers[OAUTH] = metadata()

    context.while_asked = recover

    assert isinstance(context.get(), AccessToken)
    assert context.asked == [OAUTH, OAUTH, OAUTH, TOKEN_URL]


def test_retry_after_is_honoured() -> None:
    context = Context({OAUTH: answer(503, retry_after="4000")})
    error = failed(context, TokenEndpointUnavailableError)

    assert error.retry_after == 4000
    assert context.asked == [OAUTH, OPENID]


def test_one_deadline_bounds_reading_and_asking_together() -> None:
    context = Context({OAUTH: NOT_FOUND, OPENID: metadata()})

    def take_long(_: TokenRequest) -> None:
        context.clock.now += 12

    context.while_asked = take_long
    context.get()

    assert [(request.timeout, request.total_seconds) for request in context.requests] == [(10.0, 20.0), (8.0, 8.0), (0.0, 0.0)]


def test_a_read_after_the_deadline_gets_no_time() -> None:
    context = Context({OAUTH: NOT_FOUND}, deadline_seconds=10.0)

    def take_long(_: TokenRequest) -> None:
        context.clock.now += 12

    context.while_asked = take_long
    failed(context, DiscoveryError)

    assert [(request.timeout, request.total_seconds) for request in context.requests] == [(10.0, 10.0), (0.0, 0.0)]


MOVED = [NOT_FOUND, answer(410), answer(405), answer(308, location=NEW_URL), answer(200), answer(502), LOST]


def test_an_endpoint_that_moved_is_found_again_at_once(subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture) -> None:
    for gone in MOVED:
        with subtests.test(gone=gone):
            caplog.clear()
            context = Context()
            context.get()
            context.clock.now += 3600
            context.answers |= {TOKEN_URL: gone, OAUTH: metadata(NEW_URL)}
            with caplog.at_level(logging.INFO, "prio_middleware"):
                assert isinstance(context.get_another(), AccessToken)

            assert context.asked == [OAUTH, TOKEN_URL, TOKEN_URL, OAUTH, NEW_URL]
            said = [
                (record.getMessage(), vars(record)["prio_client"])
                for record in caplog.records
                if vars(record).get("prio_event") == "token_endpoint_found"
            ]
            assert said == [(f"The token endpoint of the client 'shop' is {NEW_URL}.", "shop")]
            context.clock.now += 3600
            context.get_another()
            assert context.asked[5:] == [NEW_URL]


def test_an_error_comes_from_an_endpoint_that_still_exists(subtests: pytest.Subtests) -> None:
    refusals: list[TokenResponse] = [refused("invalid_client", 401), refused("invalid_scope"), answer(403), answer(429)]
    for refusal in refusals:
        with subtests.test(refusal=refusal):
            context = Context(deadline_seconds=0.1)
            context.get()
            context.clock.now += 3600
            context.answers[TOKEN_URL] = refusal

            assert isinstance(context.get_another(), TokenError)
            assert context.asked.count(OAUTH) == 1


def test_an_endpoint_that_is_where_it_was_is_not_asked_twice() -> None:
    context = Context()
    context.get()
    context.clock.now += 3600
    context.answers[TOKEN_URL] = NOT_FOUND
    error = context.get_another()

    assert isinstance(error, TokenError)
    assert (error.url, error.status_code) == (TOKEN_URL, 404)
    assert context.asked == [OAUTH, TOKEN_URL, TOKEN_URL, OAUTH]


def test_metadata_that_cannot_be_read_again_change_nothing(subtests: pytest.Subtests) -> None:
    unusables: list[TokenResponse] = [
        LOST,
        NOT_FOUND,
        metadata(issuer="https://other.example"),
        metadata("http://id.example/t"),
    ]
    for unusable in unusables:
        with subtests.test(unusable=unusable):
            context = Context()
            context.get()
            context.clock.now += 3600
            context.answers |= {TOKEN_URL: NOT_FOUND, OAUTH: unusable}
            error = context.get_another()
            assert isinstance(error, TokenError)
            assert error.url == TOKEN_URL
            context.clock.now += 30
            context.answers[TOKEN_URL] = token()

            assert isinstance(context.get(), AccessToken)
            assert context.discovery.token_url == TOKEN_URL


def test_however_often_the_endpoint_fails_metadata_are_read_again_once_in_a_while() -> None:
    context = Context(failure_cooldown=0.0)
    context.get()
    context.clock.now += 3600
    context.answers[TOKEN_URL] = NOT_FOUND
    context.requests.clear()
    for _ in range(50):
        context.get_another()
        context.clock.now += 2.0

    assert context.asked.count(TOKEN_URL) == 50
    assert context.asked.count(OAUTH) <= 1 + 100 / REREAD_PAUSE


def test_an_outage_of_the_endpoint_is_no_flood_of_metadata_requests() -> None:
    context = Context()
    context.get()
    context.clock.now += 3600
    context.answers[TOKEN_URL] = LOST
    context.requests.clear()

    assert isinstance(context.get_another(), TokenEndpointUnavailableError)
    assert 1 <= context.asked.count(OAUTH) <= 3


def test_a_token_suspected_too_late_or_too_early_for_a_read_stays_suspect() -> None:
    context = Context({TOKEN_URL: NOT_FOUND})
    context.get()
    assert context.asked == [OAUTH, TOKEN_URL]  # read only just now
    context.answers[OAUTH] = metadata(NEW_URL)
    context.clock.now += REREAD_PAUSE

    assert isinstance(context.get(), AccessToken)
    assert context.asked == [OAUTH, TOKEN_URL, OAUTH, NEW_URL]


def test_a_suspect_token_at_the_deadline_stays_suspect() -> None:
    context = Context(deadline_seconds=5.0)
    context.get()
    context.clock.now += 3600
    context.answers |= {TOKEN_URL: LOST, OAUTH: metadata(NEW_URL)}

    def take_long(_: TokenRequest) -> None:
        context.clock.now += 5

    context.while_asked = take_long
    assert isinstance(context.get_another(), TokenEndpointUnavailableError)
    assert OAUTH not in context.asked[1:]
    context.while_asked = lambda _: None
    context.clock.now += 1

    assert isinstance(context.get(), AccessToken)
    assert context.asked[-2:] == [OAUTH, NEW_URL]


def test_a_success_ends_the_suspicion() -> None:
    context = Context({TOKEN_URL: LOST})

    def recover(request: TokenRequest) -> None:
        if context.asked.count(TOKEN_URL) == 2:
            context.answers[TOKEN_URL] = token()

    context.while_asked = recover
    context.get()
    context.clock.now += 3600
    context.get_another()

    assert context.asked == [OAUTH, TOKEN_URL, TOKEN_URL, TOKEN_URL]


def test_wrong_credentials_are_read_again_from_their_file_and_the_metadata_are_not() -> None:
    fresh = dataclasses.replace(helpers.endpoint("rotated"), url=ISSUER)
    context = Context({TOKEN_URL: refused("invalid_client", 401)}, credentials_source=lambda *, force: fresh if force else None)
    failed(context, CredentialsRefusedError)

    assert context.asked == [OAUTH, TOKEN_URL, TOKEN_URL]


def test_an_early_refresh_that_finds_no_metadata_costs_nothing() -> None:
    context = Context(refresh="ahead")
    first = context.get()
    context.clock.now += 3590
    context.answers |= {TOKEN_URL: NOT_FOUND, OAUTH: LOST}

    assert context.get() is first


def test_a_parameter_that_cannot_be_sent_is_a_configuration_error_still() -> None:
    context = Context()
    with pytest.raises(ConfigurationError):
        context.get(TokenOptions(params=(("client_secret", "other"),)))


def test_an_issuer_over_plain_http_is_blocked(subtests: pytest.Subtests) -> None:
    for identifier in ("http://id.example", "http://127.0.0.1:8000"):
        with subtests.test(identifier=identifier), pytest.raises(InsecureTransportError):
            Discovery(Issuer(identifier))


def test_an_issuer_over_plain_http_on_a_loopback_host_that_is_named() -> None:
    assert Discovery(Issuer("http://127.0.0.1:8000", loopback_http_hosts=("127.0.0.1",))).token_url is None


def test_errors_that_make_metadata_suspect(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenError, bool]] = [
        (TokenEndpointUnavailableError("m"), True),
        (TokenEndpointUnavailableError("m", status_code=503), True),
        (TokenEndpointUnavailableError("m", status_code=429), False),
        (CredentialsRefusedError("m", status_code=401), False),
        (CredentialsRefusedError("m", status_code=404), True),
    ]
    for error, moved in rows:
        with subtests.test(error=error, moved=moved):
            assert may_have_moved(error) is moved


def test_nothing_of_a_discovery_shows_the_secret() -> None:
    for answers in ({TOKEN_URL: NOT_FOUND}, {OAUTH: metadata(issuer="https://evil.example/s3cret!")}):
        context = Context(answers)
        error = context.get()
        assert isinstance(error, TokenError)

        assert "s3cret!" not in repr([context.requests, error, context.tokens, vars(context.discovery)])


def test_what_is_said_of_a_server_that_cannot_answer_now(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenResponse, str, float | None]] = [
        (TokenResponse(failure=""), "unknown reason", None),
        (answer(503), "status 503", None),
        (answer(503, retry_after="40"), "status 503", 40.0),
        (
            answer(429, retry_after="Sun, 06 Nov 1994 08:50:37 GMT", date="Sun, 06 Nov 1994 08:49:37 GMT"),
            "status 429",
            60.0,
        ),
    ]
    for busy, said, seconds in rows:
        with subtests.test(busy=busy, said=said, seconds=seconds):
            error = failed(Context({OAUTH: busy}), TokenEndpointUnavailableError)

            assert error.message == f"The authorization server's metadata are unavailable: {said}."
            assert error.remedy == "Check that this machine can reach the URL, then retry. No restart is needed."
            assert error.retry_after == seconds
