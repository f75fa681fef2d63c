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
from prio_middleware.tokens.discovery import SECOND_LOOK_PAUSE, Discovery, may_have_moved
from prio_middleware.tokens.effects import Get, Post, Wait
from prio_middleware.tokens.endpoint import TokenAnswer, TokenRequest
from prio_middleware.tokens.flight import Unanswered
from prio_middleware.tokens.metadata import Issuer
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.tokens import kit
from tests.tokens.kit import Clock, answer, play, refused, token

ISSUER = "https://id.example/tenant"
OAUTH = "https://id.example/.well-known/oauth-authorization-server/tenant"
OPENID = "https://id.example/tenant/.well-known/openid-configuration"
TOKEN_URL = "https://id.example/tenant/token"
NEW_URL = "https://id.example/new/token"
LOST = TokenAnswer(failure="ConnectError: refused")
NOT_FOUND = answer(404)


def metadata(token_url: str = TOKEN_URL, **members: object) -> TokenAnswer:
    return answer(200, {"issuer": ISSUER, "token_endpoint": token_url, **members})


class World:
    """A server that answers by URL, and a provider that is to find its way there."""

    def __init__(self, answers: dict[str, TokenAnswer] | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.discovery = Discovery(Issuer(ISSUER))
        endpoint = dataclasses.replace(kit.endpoint(), url=ISSUER)
        self.tokens = ClientCredentialsProvider(endpoint, discovery=self.discovery, clock=self.clock, **options)
        self.answers = {OAUTH: metadata(), TOKEN_URL: token(), NEW_URL: token(), **(answers or {})}
        self.requests: list[TokenRequest] = []
        self.while_asked: Callable[[TokenRequest], object] = lambda _: None

    def __call__(self, request: TokenRequest) -> TokenAnswer:
        self.requests.append(request)
        self.while_asked(request)
        return self.answers.get(request.url, NOT_FOUND)

    def get(self, key: TokenOptions = DEFAULT_OPTIONS) -> AccessToken | TokenError:
        return play(self.tokens.acquire(key, None), self, self.clock)  # type: ignore[arg-type]  # it is called like kit's server

    def get_another(self) -> AccessToken | TokenError:
        """A new token, the last one being refused."""
        kept = self.tokens.current(DEFAULT_OPTIONS, None)
        if kept:
            self.tokens.invalidate(kept)
        return self.get()

    @property
    def asked(self) -> list[str]:
        return [request.url for request in self.requests]


def failed(world: World, kind: type[TokenError]) -> TokenError:
    error = world.get()
    assert isinstance(error, kind), error
    return error


def test_the_token_is_asked_for_where_the_metadata_say() -> None:
    world = World()

    assert isinstance(world.get(), AccessToken)
    assert [(request.method, request.url) for request in world.requests] == [("GET", OAUTH), ("POST", TOKEN_URL)]
    assert (world.discovery.token_url, world.tokens.token_url) == (TOKEN_URL, TOKEN_URL)


def test_until_then_the_provider_is_known_by_its_issuer() -> None:
    world = World()

    assert world.tokens.token_url == ISSUER
    assert ISSUER in repr(world.tokens)


def test_metadata_are_asked_for_without_credentials_and_bounded_like_a_token_request() -> None:
    world = World()
    world.get()
    look = world.requests[0]

    assert look.headers == {"Accept": "application/json", "Accept-Encoding": "identity"}
    assert (look.body, look.secrets, look.timeout, look.budget) == (b"", (), 10.0, 30.0)
    assert repr(look) == f"<TokenRequest GET {OAUTH}>"


def test_they_are_read_once() -> None:
    world = World()
    for _ in range(3):
        world.clock.now += 3600
        world.get_another()

    assert world.asked == [OAUTH, TOKEN_URL, TOKEN_URL, TOKEN_URL]


def test_other_scopes_and_new_credentials_use_what_was_read() -> None:
    world = World()
    world.get()
    world.get(TokenOptions(scope="orders"))
    world.tokens.use(dataclasses.replace(kit.endpoint("rotated"), url=ISSUER))
    world.get()

    assert world.asked == [OAUTH, TOKEN_URL, TOKEN_URL, TOKEN_URL]


def test_callers_who_come_meanwhile_wait_for_the_one_who_reads() -> None:
    world = World()
    leader, waiter = world.tokens.acquire(DEFAULT_OPTIONS, None), world.tokens.acquire(DEFAULT_OPTIONS, None)

    assert isinstance(next(leader), Get)
    assert isinstance(next(waiter), Wait)
    assert type(leader.send(metadata())) is Post
    with pytest.raises(StopIteration) as landed:
        leader.send(token())
    with pytest.raises(StopIteration) as heard:
        waiter.send(landed.value.value)
    assert heard.value.value is landed.value.value


def test_a_leader_who_is_cancelled_while_reading_hands_over() -> None:
    world = World()
    leader, waiter = world.tokens.acquire(DEFAULT_OPTIONS, None), world.tokens.acquire(DEFAULT_OPTIONS, None)
    next(leader)
    waiting = next(waiter)
    assert isinstance(waiting, Wait)
    leader.close()

    assert waiting.flight.wait(0) in {Unanswered.HANDED_OVER, Unanswered.OWN_THREAD}
    assert isinstance(waiter.send(Unanswered.HANDED_OVER), Get)
    waiter.close()


@pytest.mark.parametrize(
    "first",
    [
        NOT_FOUND,
        answer(401),
        answer(403),
        answer(302, location="https://id.example/login"),
        TokenAnswer(200, {"content-type": "text/html"}, b"<!doctype html>"),
        metadata(issuer="https://id.example"),
        metadata("https://elsewhere.example/token"),
    ],
    ids=["404", "401", "403", "redirect", "HTML", "another issuer", "a foreign token endpoint"],
)
def test_where_the_first_place_has_nothing_of_use_the_second_is_asked(first: TokenAnswer) -> None:
    world = World({OAUTH: first, OPENID: metadata()})

    assert isinstance(world.get(), AccessToken)
    assert world.asked == [OAUTH, OPENID, TOKEN_URL]


@pytest.mark.parametrize(
    ("first", "second", "said", "remedy"),
    [
        (NOT_FOUND, NOT_FOUND, "status 404", DiscoveryError.default_remedy),
        (answer(302, location=NEW_URL), NOT_FOUND, f"a redirect with 302 to {NEW_URL}", DiscoveryError.default_remedy),
        (TokenAnswer(200, {}, b"{}", truncated=True), NOT_FOUND, "the body is too long", DiscoveryError.default_remedy),
        (NOT_FOUND, metadata(issuer=f"{ISSUER}/"), f"another issuer, '{ISSUER}/'", "the very same text"),
        (metadata("https://elsewhere.example/t"), NOT_FOUND, "at another origin than the issuer", "allowed_token_origins"),
        (metadata(token_endpoint_auth_methods_supported=["none"]), NOT_FOUND, "client_secret_basic, only: none", "client_auth"),
    ],
)
def test_metadata_that_do_not_do_are_an_error_that_names_both_places(
    first: TokenAnswer, second: TokenAnswer, said: str, remedy: str
) -> None:
    world = World({OAUTH: first, OPENID: second})
    error = failed(world, DiscoveryError)

    assert (error.client, error.url) == ("shop", ISSUER)
    assert error.message.startswith(
        f"The authorization server's metadata do not tell where its token endpoint is: at {OAUTH}, "
    )
    assert f"; at {OPENID}, " in error.message
    assert said in error.message
    assert remedy in error.remedy
    assert world.asked == [OAUTH, OPENID]


def test_metadata_that_do_not_do_are_held_back_and_then_read_again() -> None:
    world = World({OAUTH: NOT_FOUND})
    failed(world, DiscoveryError)
    world.clock.now += 4
    held = failed(world, DiscoveryError)
    assert held.retry_after == 6
    assert world.asked == [OAUTH, OPENID]
    world.clock.now += 6
    world.answers[OAUTH] = metadata()

    assert isinstance(world.get(), AccessToken)


@pytest.mark.parametrize(
    ("busy", "said"),
    [
        (LOST, "ConnectError: refused"),
        (TokenAnswer(failure=""), "nobody said why"),
        (answer(503), "status 503"),
        (answer(500), "status 500"),
        (answer(429), "status 429"),
    ],
)
def test_a_server_that_cannot_answer_now_is_tried_again_until_the_deadline_and_asked_nowhere_else(
    busy: TokenAnswer, said: str
) -> None:
    world = World({OAUTH: busy})
    error = failed(world, TokenEndpointUnavailableError)

    assert (error.client, error.url, error.status_code) == ("shop", OAUTH, busy.status_code or None)
    assert said in error.message
    assert "this URL can be reached" in error.remedy
    assert set(world.asked) == {OAUTH}
    assert len(world.asked) > 2
    assert world.clock.now <= 1030


def test_a_failure_that_passes_is_not_noticed() -> None:
    world = World({OAUTH: LOST})

    def recover(_: TokenRequest) -> None:
        if len(world.requests) == 3:
            world.answers[OAUTH] = metadata()

    world.while_asked = recover

    assert isinstance(world.get(), AccessToken)
    assert world.asked == [OAUTH, OAUTH, OAUTH, TOKEN_URL]


def test_retry_after_is_honoured() -> None:
    world = World({OAUTH: answer(503, retry_after="4000")})
    error = failed(world, TokenEndpointUnavailableError)

    assert error.retry_after == 4000
    assert world.asked == [OAUTH]


def test_one_deadline_bounds_reading_and_asking_together() -> None:
    world = World({OAUTH: NOT_FOUND, OPENID: metadata()})

    def take_long(_: TokenRequest) -> None:
        world.clock.now += 12

    world.while_asked = take_long
    world.get()

    assert [(request.timeout, request.budget) for request in world.requests] == [(10.0, 30.0), (10.0, 18.0), (6.0, 6.0)]


def test_a_look_after_the_deadline_is_given_no_time() -> None:
    world = World({OAUTH: NOT_FOUND}, deadline=10.0)

    def take_long(_: TokenRequest) -> None:
        world.clock.now += 12

    world.while_asked = take_long
    failed(world, DiscoveryError)

    assert [(request.timeout, request.budget) for request in world.requests] == [(10.0, 10.0), (0.0, 0.0)]


MOVED = [NOT_FOUND, answer(410), answer(405), answer(308, location=NEW_URL), answer(200), answer(502), LOST]


@pytest.mark.parametrize("gone", MOVED, ids=repr)
def test_an_endpoint_that_moved_is_found_again_at_once(gone: TokenAnswer, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.get()
    world.clock.now += 3600
    world.answers |= {TOKEN_URL: gone, OAUTH: metadata(NEW_URL)}
    with caplog.at_level(logging.INFO, "prio_middleware"):
        assert isinstance(world.get_another(), AccessToken)

    assert world.asked == [OAUTH, TOKEN_URL, TOKEN_URL, OAUTH, NEW_URL]
    said = [record.getMessage() for record in caplog.records if not hasattr(record, "event")]
    assert said == [f"The token endpoint of the client 'shop' is {NEW_URL}."]
    world.clock.now += 3600
    world.get_another()
    assert world.asked[5:] == [NEW_URL]


@pytest.mark.parametrize(
    "refusal", [refused("invalid_client", 401), refused("invalid_scope"), answer(403), answer(429)], ids=repr
)
def test_a_refusal_comes_from_an_endpoint_that_is_still_there(refusal: TokenAnswer) -> None:
    world = World(deadline=0.1)
    world.get()
    world.clock.now += 3600
    world.answers[TOKEN_URL] = refusal

    assert isinstance(world.get_another(), TokenError)
    assert world.asked.count(OAUTH) == 1


def test_an_endpoint_that_is_where_it_was_is_not_asked_twice() -> None:
    world = World()
    world.get()
    world.clock.now += 3600
    world.answers[TOKEN_URL] = NOT_FOUND
    error = world.get_another()

    assert isinstance(error, TokenError)
    assert (error.url, error.status_code) == (TOKEN_URL, 404)
    assert world.asked == [OAUTH, TOKEN_URL, TOKEN_URL, OAUTH]


@pytest.mark.parametrize(
    "unusable", [LOST, NOT_FOUND, metadata(issuer="https://other.example"), metadata("http://id.example/t")]
)
def test_metadata_that_cannot_be_read_again_change_nothing(unusable: TokenAnswer) -> None:
    world = World()
    world.get()
    world.clock.now += 3600
    world.answers |= {TOKEN_URL: NOT_FOUND, OAUTH: unusable}
    error = world.get_another()
    assert isinstance(error, TokenError)
    assert error.url == TOKEN_URL
    world.clock.now += 30
    world.answers[TOKEN_URL] = token()

    assert isinstance(world.get(), AccessToken)
    assert world.discovery.token_url == TOKEN_URL


def test_however_often_the_endpoint_fails_metadata_are_read_again_once_in_a_while() -> None:
    world = World(hold_back=0.0)
    world.get()
    world.clock.now += 3600
    world.answers[TOKEN_URL] = NOT_FOUND
    world.requests.clear()
    for _ in range(200):
        world.get_another()
        world.clock.now += 0.5

    assert world.asked.count(TOKEN_URL) == 200
    assert world.asked.count(OAUTH) <= 1 + 100 / SECOND_LOOK_PAUSE


def test_an_outage_of_the_endpoint_is_no_flood_of_metadata_requests() -> None:
    world = World()
    world.get()
    world.clock.now += 3600
    world.answers[TOKEN_URL] = LOST
    world.requests.clear()

    assert isinstance(world.get_another(), TokenEndpointUnavailableError)
    assert 1 <= world.asked.count(OAUTH) <= 3


def test_a_doubt_that_came_too_late_or_too_early_to_look_is_not_forgotten() -> None:
    world = World({TOKEN_URL: NOT_FOUND})
    world.get()
    assert world.asked == [OAUTH, TOKEN_URL]  # read only just now
    world.answers[OAUTH] = metadata(NEW_URL)
    world.clock.now += SECOND_LOOK_PAUSE

    assert isinstance(world.get(), AccessToken)
    assert world.asked == [OAUTH, TOKEN_URL, OAUTH, NEW_URL]


def test_a_doubt_at_the_deadline_is_not_forgotten_either() -> None:
    world = World(deadline=5.0)
    world.get()
    world.clock.now += 3600
    world.answers |= {TOKEN_URL: LOST, OAUTH: metadata(NEW_URL)}

    def take_long(_: TokenRequest) -> None:
        world.clock.now += 5

    world.while_asked = take_long
    assert isinstance(world.get_another(), TokenEndpointUnavailableError)
    assert OAUTH not in world.asked[1:]
    world.while_asked = lambda _: None

    assert isinstance(world.get(), AccessToken)
    assert world.asked[-2:] == [OAUTH, NEW_URL]


def test_a_success_ends_the_doubt() -> None:
    world = World({TOKEN_URL: LOST})

    def recover(request: TokenRequest) -> None:
        if world.asked.count(TOKEN_URL) == 2:
            world.answers[TOKEN_URL] = token()

    world.while_asked = recover
    world.get()
    world.clock.now += 3600
    world.get_another()

    assert world.asked == [OAUTH, TOKEN_URL, TOKEN_URL, TOKEN_URL]


def test_wrong_credentials_are_read_again_from_their_file_and_the_metadata_are_not() -> None:
    fresh = dataclasses.replace(kit.endpoint("rotated"), url=ISSUER)
    world = World({TOKEN_URL: refused("invalid_client", 401)}, renewal=lambda *, force: fresh if force else None)
    failed(world, CredentialsRefusedError)

    assert world.asked == [OAUTH, TOKEN_URL, TOKEN_URL]


def test_an_early_refresh_that_finds_no_metadata_costs_nothing() -> None:
    world = World(refresh="ahead")
    first = world.get()
    world.clock.now += 3590
    world.answers |= {TOKEN_URL: NOT_FOUND, OAUTH: LOST}

    assert world.get() is first


def test_a_parameter_that_cannot_be_sent_is_a_configuration_error_still() -> None:
    world = World()
    with pytest.raises(ConfigurationError):
        world.get(TokenOptions(params=(("client_secret", "other"),)))


@pytest.mark.parametrize("identifier", ["http://id.example", "http://127.0.0.1:8000"])
def test_an_issuer_over_plain_http_is_refused(identifier: str) -> None:
    with pytest.raises(InsecureTransportError):
        Discovery(Issuer(identifier))


def test_an_issuer_over_plain_http_on_a_loopback_host_that_is_named() -> None:
    assert Discovery(Issuer("http://127.0.0.1:8000", loopback_http_hosts=("127.0.0.1",))).token_url is None


@pytest.mark.parametrize(
    ("error", "moved"),
    [
        (TokenEndpointUnavailableError("m"), True),
        (TokenEndpointUnavailableError("m", status_code=503), True),
        (TokenEndpointUnavailableError("m", status_code=429), False),
        (CredentialsRefusedError("m", status_code=401), False),
        (CredentialsRefusedError("m", status_code=404), True),
    ],
)
def test_what_makes_metadata_doubtful(error: TokenError, moved: bool) -> None:
    assert may_have_moved(error) is moved


def test_nothing_of_a_discovery_shows_the_secret() -> None:
    world = World({TOKEN_URL: NOT_FOUND})
    error = world.get()

    assert "s3cret!" not in repr([world.requests, error, world.tokens, vars(world.discovery)])


@pytest.mark.parametrize(
    ("busy", "said", "seconds"),
    [
        (TokenAnswer(failure=""), "nobody said why", None),
        (answer(503), "status 503", None),
        (answer(503, retry_after="40"), "status 503", 40.0),
        (
            answer(429, retry_after="Sun, 06 Nov 1994 08:50:37 GMT", date="Sun, 06 Nov 1994 08:49:37 GMT"),
            "status 429",
            60.0,
        ),
    ],
)
def test_what_is_said_of_a_server_that_cannot_answer_now(busy: TokenAnswer, said: str, seconds: float | None) -> None:
    error = failed(World({OAUTH: busy}), TokenEndpointUnavailableError)

    assert error.message == f"The authorization server's metadata cannot be had now: {said}."
    assert error.remedy == "Check that this URL can be reached from here, then try again: nothing needs a restart."
    assert error.retry_after == seconds
