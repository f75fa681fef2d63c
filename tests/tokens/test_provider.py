"""The life of a token in one provider, in virtual time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from prio_middleware import (
    AccessToken,
    ClientCredentialsProvider,
    ConfigurationError,
    CredentialsRefusedError,
    InsecureTransportError,
    InvalidTokenResponseError,
    Secret,
    TokenEndpointUnavailableError,
    TokenError,
    TokenOptions,
    TokenRequestRefusedError,
)
from prio_middleware.tokens.effects import Pause, Post, Steps, Wait
from prio_middleware.tokens.endpoint import TokenAnswer, TokenEndpoint, TokenRequest
from prio_middleware.tokens.flight import Flight, Outcome, Unanswered
from prio_middleware.tokens.shared.tokens import Request
from prio_middleware.tokens.store import MemoryStore
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.tokens import kit
from tests.tokens.kit import Clock, Server, answer, endpoint, play, provider, refused, token

LOST = TokenAnswer(failure="ConnectError: refused")


class Shop:
    """A provider, its clock and its token endpoint."""

    def __init__(self, *script: TokenAnswer, **options: object) -> None:
        self.clock = Clock()
        self.server = Server(*script)
        self.tokens = provider(self.clock, **options)

    def get(self, key: TokenOptions = DEFAULT_OPTIONS, stale: AccessToken | None = None) -> AccessToken | TokenError:
        kept = self.tokens.current(key, stale)
        return kept or play(self.tokens.acquire(key.over(self.tokens.defaults), stale), self.server, self.clock)

    def token(self, key: TokenOptions = DEFAULT_OPTIONS, stale: AccessToken | None = None) -> AccessToken:
        got = self.get(key, stale)
        assert isinstance(got, AccessToken), got
        return got

    @property
    def asked(self) -> int:
        return len(self.server.requests)


@pytest.mark.pitfall(id="leeway-beyond-lifetime")
def test_one_token_request_for_each_lifetime() -> None:
    shop = Shop(token(100), token(100))
    first = shop.token()
    shop.clock.now += 89.9
    assert shop.token() is first
    shop.clock.now += 0.2  # inside the leeway of a tenth

    assert shop.token() is not first
    assert shop.asked == 2


def test_a_token_is_fresh_until_the_leeway_begins_and_not_at_that_moment() -> None:
    shop = Shop(token(100))
    first = shop.token()
    shop.clock.now = first.fresh_until - 0.001
    assert shop.tokens.current(DEFAULT_OPTIONS, None) is first
    shop.clock.now = first.fresh_until

    assert shop.tokens.current(DEFAULT_OPTIONS, None) is None


def test_a_token_that_was_refused_is_not_current_for_who_had_it() -> None:
    shop = Shop(token(), token())
    first = shop.token()

    assert shop.tokens.current(DEFAULT_OPTIONS, first) is None
    assert shop.tokens.current(DEFAULT_OPTIONS, None) is first


def test_a_token_that_was_invalidated_is_current_for_nobody() -> None:
    shop = Shop(token())
    shop.tokens.invalidate(shop.token())

    assert shop.tokens.current(DEFAULT_OPTIONS, None) is None


def test_life_counts_from_before_the_request_left() -> None:
    shop = Shop(token(100))
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(steps)
    shop.clock.now += 20
    with pytest.raises(StopIteration) as end:
        steps.send(shop.server(None))  # type: ignore[arg-type]  # the script looks at no request

    assert end.value.value.expires_at == 1100.0


@pytest.mark.pitfall(id="expires-in")
def test_a_token_of_no_lifetime_is_good_for_one_call() -> None:
    shop = Shop(token(0), token(-5), token(0))

    assert len({shop.token().serial for _ in range(3)}) == 3
    assert shop.asked == 3


@pytest.mark.pitfall(id="failed-refresh")
@pytest.mark.parametrize("failure", [LOST, answer(503), refused("invalid_client", 401), TokenAnswer(200)])
def test_a_failed_fetch_inside_the_leeway_keeps_the_token_that_is_still_valid(failure: TokenAnswer) -> None:
    shop = Shop(token(1000), failure)
    first = shop.token()
    shop.clock.now += 975

    assert shop.token() is first


@pytest.mark.pitfall(id="failed-refresh")
def test_a_failed_early_fetch_is_not_repeated_by_every_call() -> None:
    shop = Shop(token(1000), refused("invalid_client", 401))
    shop.token()
    shop.clock.now += 975
    for _ in range(50):
        shop.token()

    assert shop.asked == 2


@pytest.mark.pitfall(id="failed-refresh")
def test_refreshed_ahead_nobody_waits_and_nobody_sees_a_failure() -> None:
    shop = Shop(token(1000), answer(500), token(1000), refresh="ahead", deadline=0.1)
    first = shop.token()
    shop.clock.now += 975
    assert shop.token() is first
    shop.clock.now += 10.1  # the pause after a failed refresh
    assert shop.token() is first
    second = shop.token()

    assert second.serial > first.serial
    assert shop.asked == 3


def test_a_refresh_that_cannot_be_started_leaves_no_flight_behind() -> None:
    shop = Shop(token(1000), refresh="ahead")
    first = shop.token()
    shop.clock.now += 975
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(False)

    assert end.value.value is first
    assert not shop.tokens.report().fetching
    shop.token()
    assert shop.token().serial > first.serial


def test_who_waits_for_a_refresh_that_cannot_be_started_takes_over() -> None:
    shop = Shop(token(1000), refresh="ahead")
    shop.token()
    shop.clock.now += 975
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    effect: Any = next(steps)
    with pytest.raises(StopIteration):
        steps.send(False)

    assert effect.flight._future.result(0) is Unanswered.HANDED_OVER


def test_a_refresh_ahead_has_the_whole_deadline() -> None:
    shop = Shop(token(1000), LOST, token(1000), refresh="ahead")
    first = shop.token()
    shop.clock.now += 975
    shop.token()

    assert shop.token().serial > first.serial
    assert shop.asked == 3


def test_a_refresh_ahead_that_never_lands_is_given_up_after_its_deadline() -> None:
    shop = Shop(token(1000), refresh="ahead", deadline=30)
    first = shop.token()
    shop.clock.now += 975
    next(shop.tokens.acquire(DEFAULT_OPTIONS, None))  # asks for a task, which nobody runs
    shop.token(stale=first)

    assert shop.clock.now == 1975 + 31


def test_ahead_one_refresh_at_a_time() -> None:
    shop = Shop(token(1000), refresh="ahead")
    first = shop.token()
    shop.clock.now += 975
    refreshing = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(refreshing)

    assert shop.token() is first
    assert shop.asked == 1
    refreshing.close()


@pytest.mark.pitfall(id="refused-credentials")
@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (refused("invalid_client", 401), CredentialsRefusedError),
        (refused("invalid_scope"), TokenRequestRefusedError),
        (TokenAnswer(200, {}, b"<html>"), InvalidTokenResponseError),
    ],
)
def test_a_permanent_failure_is_held_back_and_then_tried_again(refusal: TokenAnswer, error: type[TokenError]) -> None:
    shop = Shop(refusal, token())
    first = shop.get()
    assert isinstance(first, error)
    shop.clock.now += 4
    held = shop.get()
    assert isinstance(held, error)
    assert (held.retry_after, held.held_back, first.held_back) == (6, True, False)
    assert held.message == f"{first.message} Held back since."
    assert shop.asked == 1
    shop.clock.now += 5.75
    assert getattr(shop.get(), "retry_after", None) == 0.25
    shop.clock.now += 0.25

    assert isinstance(shop.get(), AccessToken)


@pytest.mark.pitfall(id="refused-credentials")
def test_refused_credentials_hold_back_every_scope_but_a_refused_scope_only_itself() -> None:
    narrow, wide = TokenOptions(scope="read"), TokenOptions(scope="write")
    shop = Shop(refused("invalid_scope"), token(), refused("invalid_client", 401))
    assert isinstance(shop.get(narrow), TokenError)
    assert isinstance(shop.get(wide), AccessToken)
    assert isinstance(shop.get(TokenOptions(scope="all")), CredentialsRefusedError)

    assert isinstance(shop.get(TokenOptions(scope="none")), CredentialsRefusedError)
    assert isinstance(shop.get(wide), AccessToken)
    assert shop.asked == 3


@pytest.mark.pitfall(id="refused-credentials")
def test_changed_credentials_end_the_hold_back_and_drop_the_old_tokens() -> None:
    shop = Shop(refused("invalid_client", 401), token(), token())
    assert isinstance(shop.get(), CredentialsRefusedError)
    shop.tokens.use(endpoint("rotated"))
    first = shop.token()
    shop.tokens.use(endpoint("rotated again"))

    assert shop.token() is not first
    assert shop.asked == 3


def test_a_fetch_with_the_old_credentials_leaves_nothing_behind() -> None:
    shop = Shop(token(), token())
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(steps)
    shop.tokens.use(endpoint("rotated"))
    with pytest.raises(StopIteration):
        steps.send(token())

    assert shop.tokens.current(DEFAULT_OPTIONS, None) is None


@pytest.mark.parametrize("failure", [LOST, answer(500), answer(503), answer(429), answer(429, retry_after="2")])
def test_a_transient_failure_is_tried_again(failure: TokenAnswer) -> None:
    shop = Shop(failure, failure, token())

    assert isinstance(shop.get(), AccessToken)
    assert shop.asked == 3


@pytest.mark.pitfall(id="retry-after")
def test_retry_after_is_honoured() -> None:
    shop = Shop(answer(503, retry_after="7"), token())
    shop.get()

    assert shop.clock.now >= 1007


def test_an_endpoint_that_says_come_back_at_once_is_not_hammered() -> None:
    shop = Shop(answer(503, retry_after="0"))
    shop.get()

    assert shop.asked < 20


def test_the_deadline_bounds_the_whole_fetch() -> None:
    shop = Shop(LOST)

    assert isinstance(shop.get(), TokenEndpointUnavailableError)
    assert shop.clock.now <= 1030


@pytest.mark.pitfall(id="retry-after")
def test_a_retry_after_beyond_the_deadline_fails_at_once_and_holds_back_for_a_minute_at_most() -> None:
    shop = Shop(answer(429, retry_after="4000"), token())
    error = shop.get()
    assert isinstance(error, TokenEndpointUnavailableError)
    assert shop.clock.now == 1000.0
    shop.clock.now += 59
    assert isinstance(shop.get(), TokenEndpointUnavailableError)
    assert shop.asked == 1
    shop.clock.now += 1

    assert isinstance(shop.get(), AccessToken)


def test_after_a_transient_failure_the_next_call_tries_again() -> None:
    shop = Shop(*[LOST] * 30, token(), deadline=1.0)
    assert isinstance(shop.get(), TokenEndpointUnavailableError)
    before = shop.asked
    shop.get()

    assert shop.asked > before


@pytest.mark.pitfall(id="rejected-token")
def test_a_refused_token_is_replaced_once_however_many_were_refused() -> None:
    shop = Shop(token(), token())
    refused_token = shop.token()
    shop.tokens.invalidate(refused_token)
    replacement = shop.token(stale=refused_token)
    shop.tokens.invalidate(refused_token)

    assert shop.token(stale=refused_token) is replacement
    assert shop.token() is replacement
    assert shop.asked == 2


def test_a_refused_token_is_not_taken_again_from_a_flight_that_landed_with_it() -> None:
    shop = Shop(token(), token())
    first = shop.token()
    shop.tokens.invalidate(first)
    leader = shop.tokens.acquire(DEFAULT_OPTIONS, first)
    next(leader)
    waiter = shop.tokens.acquire(DEFAULT_OPTIONS, first)
    waiting = next(waiter)
    assert isinstance(waiting, Wait)

    got = waiter.send(first)  # an earlier flight's outcome

    assert isinstance(got, Wait)
    leader.close()
    waiter.close()


@pytest.mark.pitfall(id="cache-key")
def test_each_of_scope_audience_resource_and_parameters_has_a_token_of_its_own() -> None:
    shop = Shop(*[token() for _ in range(6)])
    keys = [
        DEFAULT_OPTIONS,
        TokenOptions(scope="a"),
        TokenOptions(audience="a"),
        TokenOptions(resource="a"),
        TokenOptions(params=(("tenant", "a"),)),
        TokenOptions(params=(("tenant", "b"),)),
    ]
    assert len({shop.token(key).serial for key in keys}) == 6
    assert len({shop.token(key).serial for key in keys}) == 6

    assert shop.asked == 6


def test_naming_the_default_scope_is_no_other_key() -> None:
    shop = Shop(defaults=TokenOptions(scope="a", params=(("x", "1"),)))

    assert shop.token() is shop.token(TokenOptions(scope="a"))
    assert b"scope=a" in shop.server.requests[0].body


def test_a_parameter_that_cannot_be_sent_is_a_configuration_error_and_leaves_no_flight_behind() -> None:
    shop = Shop()
    bad = TokenOptions(params=(("client_secret", "other"),))
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            shop.get(bad)


@pytest.mark.pitfall(id="stopped-leader")
def test_a_waiter_takes_over_when_the_leader_never_lands() -> None:
    shop = Shop()
    lost = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(lost)

    assert isinstance(shop.get(), AccessToken)
    assert shop.clock.now == 1031


def test_waiting_for_leaders_that_never_land_ends_in_an_error() -> None:
    shop = Shop()
    lost = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(lost)
    waiter = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(waiter)
    shop.clock.now += 62
    with pytest.raises(StopIteration) as end:
        waiter.send(Unanswered.HANDED_OVER)

    error = end.value.value
    assert isinstance(error, TokenEndpointUnavailableError)
    assert error.message == "No token after waiting 62 s for other callers' fetches."
    assert (error.client, error.url) == ("shop", kit.URL)


def test_for_a_leader_that_is_overdue_nobody_waits() -> None:
    shop = Shop()
    lost, waiter = shop.tokens.acquire(DEFAULT_OPTIONS, None), shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(lost)
    shop.clock.now += 100
    waiting: Any = next(waiter)

    assert waiting.seconds == 0.0


def test_who_waits_for_a_leader_that_is_cancelled_hears_so() -> None:
    shop = Shop()
    leader, waiter = shop.tokens.acquire(DEFAULT_OPTIONS, None), shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(leader)
    waiting: Any = next(waiter)
    leader.close()

    assert waiting.flight._future.result(0) is Unanswered.HANDED_OVER
    waiter.close()


def test_a_token_that_was_refused_but_is_kept_by_others_is_not_given_to_who_had_it() -> None:
    shop = Shop(token(), token())
    refused_token = shop.token()

    assert shop.token(stale=refused_token).serial > refused_token.serial
    assert shop.asked == 2


def test_nor_where_there_is_no_other() -> None:
    shop = Shop(token(), refused("invalid_scope"))
    refused_token = shop.token()

    assert isinstance(shop.get(stale=refused_token), TokenRequestRefusedError)


def test_a_refused_token_is_replaced_for_who_blocks_and_for_who_awaits() -> None:
    shop = Shop(token(), token(), token())
    refused_token = shop.token()

    async def send(request: TokenRequest) -> TokenAnswer:
        return shop.server(request)

    async def aget(stale: AccessToken) -> AccessToken:
        return await shop.tokens.aget_token(DEFAULT_OPTIONS, stale, send)

    second = shop.tokens.get_token(DEFAULT_OPTIONS, refused_token, shop.server)
    third = anyio.run(aget, second)

    assert refused_token.serial < second.serial < third.serial


def test_new_credentials_are_looked_for_before_a_fetch_and_closely_after_a_refusal() -> None:
    looks: list[bool] = []

    def renewal(*, force: bool) -> None:
        looks.append(force)

    shop = Shop(refused("invalid_client", 401), renewal=renewal)
    shop.get()

    assert looks == [False, True]


class SharedNowhere:
    """Where tokens would be shared: every fetch goes on to the endpoint.

    Attributes:
        asked: the tokens that still worked, and the refusals, that fetches were for.
        before: what happens before a fetch goes on.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[bool, bool]] = []
        self.before: Callable[[], object] = lambda: None

    def fetch(
        self, endpoint: TokenEndpoint, key: TokenOptions, until: float, request: Request, *, spare: bool, after_refusal: bool
    ) -> Steps[Outcome]:
        self.asked.append((spare, after_refusal))
        self.before()
        return (yield from request(endpoint, key, until))

    def listen(self, dropped: object) -> None:
        pass


def test_a_token_that_was_refused_is_none_to_go_on_with() -> None:
    shared = SharedNowhere()
    shop = Shop(token(), token(), shared=shared)
    refused_token = shop.token()
    shop.token(stale=refused_token)

    assert shared.asked == [(False, False), (False, True)]


def test_a_token_that_is_due_is_one_to_go_on_with() -> None:
    shared = SharedNowhere()
    shop = Shop(token(3600), token(), shared=shared)
    shop.token()
    shop.clock.now += 3590
    shop.token()

    assert shared.asked == [(False, False), (True, False)]


def test_a_fetch_with_new_credentials_is_for_the_same_reason() -> None:
    shared, secrets = SharedNowhere(), iter(["new"])

    def renewal(*, force: bool) -> TokenEndpoint | None:
        secret = next(secrets, None) if force else None
        return None if secret is None else endpoint(secret)

    shop = Shop(token(), refused("invalid_client", 401), token(), shared=shared, renewal=renewal)
    refused_token = shop.token()
    shop.token(stale=refused_token)

    assert shared.asked[1:] == [(False, True), (False, True)]


def test_who_waited_for_others_while_credentials_were_replaced_asks_all_the_same() -> None:
    shared = SharedNowhere()
    shop = Shop(token(), shared=shared)
    shared.before = lambda: shop.tokens.use(endpoint("new"))
    shop.token()

    assert (len(shared.asked), shop.asked) == (1, 1)


def test_a_success_is_the_end_of_a_failure() -> None:
    shop = Shop(refused("invalid_scope"), token())
    narrow = TokenOptions(scope="read")
    shop.get(narrow)
    shop.clock.now += 10
    shop.get(narrow)

    assert shop.tokens.report(narrow).failure is None


def test_the_second_look_finds_a_token_that_came_meanwhile() -> None:
    shop = Shop(token(), refused("invalid_client"))
    first = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(first)
    waiter = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(waiter)
    with pytest.raises(StopIteration) as end:
        first.send(token())
    with pytest.raises(StopIteration) as late:
        waiter.send(Unanswered.HANDED_OVER)

    assert late.value.value is end.value.value


@pytest.mark.pitfall(id="printed-secrets")
def test_nothing_of_a_provider_shows_its_secret() -> None:
    shop = Shop()
    kept = shop.token()

    assert "s3cret!" not in repr([shop.tokens, shop.tokens.endpoint, shop.server.requests])
    assert "token-" not in repr(kept)


def test_a_report_says_what_is_known_and_no_more() -> None:
    shop = Shop(token(100), refused("invalid_client", 401))
    idle = shop.tokens.report()
    shop.token()
    shop.clock.now += 40
    warm = shop.tokens.report()
    shop.clock.now += 61
    shop.get()
    shop.clock.now += 4
    failing = shop.tokens.report()

    assert (idle.expires_in, idle.failure, idle.is_usable, idle.fetching) == (None, None, False, False)
    assert (warm.expires_in, warm.failure, warm.is_usable) == (60, None, True)
    assert (idle.lifetime, warm.lifetime) == (None, 100)
    assert (failing.expires_in, failing.is_usable) == (-5, False)
    assert isinstance(failing.failure, CredentialsRefusedError)
    assert (failing.failed_ago, failing.held_back) == (4, 6)


def test_a_report_is_about_one_key() -> None:
    shop = Shop(refused("invalid_scope"))
    narrow = TokenOptions(scope="read")
    shop.get(narrow)

    assert isinstance(shop.tokens.report(narrow).failure, TokenRequestRefusedError)
    assert shop.tokens.report().failure is None


def test_where_all_calls_have_options_of_their_own_a_report_is_about_the_token_that_lasts_longest() -> None:
    shop = Shop(token(100), token(300), token(200), refused("invalid_scope"))
    for scope in ("a", "b", "c"):
        shop.token(TokenOptions(scope=scope))
    theirs = shop.tokens.report()
    shop.get()
    own = shop.tokens.report()

    assert (theirs.lifetime, theirs.failure) == (300, None)
    assert own.lifetime is None
    assert isinstance(own.failure, TokenRequestRefusedError)


def test_a_report_is_about_the_clients_own_token_where_it_has_one() -> None:
    shop = Shop(token(100), token(300))
    shop.token()
    shop.token(TokenOptions(scope="a"))

    assert shop.tokens.report().lifetime == 100


def test_a_report_says_for_how_long_nothing_is_asked() -> None:
    shop = Shop(answer(429, retry_after="40"), deadline=30)
    shop.get()
    at_first = shop.tokens.report()
    shop.clock.now += 40
    at_last = shop.tokens.report()

    assert (at_first.failed_ago, at_first.held_back) == (0, 40)
    assert (at_last.failed_ago, at_last.held_back) == (40, None)


def test_a_report_says_that_a_fetch_is_under_way() -> None:
    shop = Shop()
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(steps)

    assert shop.tokens.report().fetching
    steps.close()
    assert not shop.tokens.report().fetching


def test_a_token_url_of_plain_http_is_refused_before_anything_is_asked() -> None:
    plain = dataclasses.replace(endpoint(), url="http://auth.example/token")
    with pytest.raises(InsecureTransportError) as caught:
        ClientCredentialsProvider(plain)
    assert caught.value.client == "shop"


def test_tokens_may_be_kept_in_a_store_of_one_s_own() -> None:
    store = MemoryStore()
    shop = Shop(store=store)
    kept = shop.token()

    assert store.get(DEFAULT_OPTIONS) is kept


@pytest.mark.pitfall(id="cold-cache")
@pytest.mark.parametrize("answer", [token(), refused("invalid_client", 401)])
def test_the_second_look_finds_what_another_flight_brought_meanwhile(
    answer: TokenAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(token())
    other = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(other)
    board = shop.tokens._flights.board

    def land_the_other_first(key: TokenOptions, until: float) -> tuple[Flight, bool]:
        with pytest.raises(StopIteration):
            other.send(answer)
        flight, leading = board(key, until)
        flights.append(flight)
        return flight, leading

    flights: list[Flight] = []
    monkeypatch.setattr(shop.tokens._flights, "board", land_the_other_first)
    got = shop.get()

    assert shop.asked == 0
    assert isinstance(got, CredentialsRefusedError if answer.status_code == 401 else AccessToken)
    assert [flight._future.result(0) for flight in flights] == [got]  # Who waits for this one need not look again.


def test_a_provider_of_its_own_has_no_shared_store_to_report_or_to_listen_to() -> None:
    shop = Shop(token(100))
    shop.tokens.listen()
    shop.tokens.invalidate(shop.token())

    assert (shop.tokens.store_report().kind, shop.tokens.store_report().reachable) == ("memory", None)


@pytest.mark.parametrize("replaced", ["while asking", "while pausing"])
def test_a_failure_of_credentials_that_were_replaced_meanwhile_says_nothing(replaced: str) -> None:
    shop = Shop(token())
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    effect: Any = next(steps)
    if replaced == "while pausing":
        effect = steps.send(LOST)
    shop.tokens.use(endpoint("rotated"))
    effect = steps.send(None if isinstance(effect, Pause) else refused("invalid_client", 401))
    assert isinstance(effect, Post)  # with the new ones
    with pytest.raises(StopIteration) as end:
        steps.send(shop.server(effect.request))

    assert isinstance(end.value.value, AccessToken)
    assert shop.token() is end.value.value
    assert shop.tokens.report().failure is None


def test_a_token_that_is_refused_before_its_flight_lands_is_handed_to_nobody() -> None:
    shop = Shop()
    shop.tokens.invalidate(refused_meanwhile := AccessToken(Secret("refused")))

    assert shop.tokens._handed_on(refused_meanwhile) is Unanswered.HANDED_OVER
    newer = AccessToken(Secret("newer"))
    assert shop.tokens._handed_on(newer) is newer


def test_a_caller_whose_fetch_fails_uses_what_another_one_has_fetched_meanwhile() -> None:
    shop = Shop(token())
    steps = shop.tokens.acquire(DEFAULT_OPTIONS, None)
    next(steps)
    kept = AccessToken(Secret("another's"), expires_at=shop.clock.now + 60)
    shop.tokens._store.put(DEFAULT_OPTIONS, kept, shop.clock.now)
    with pytest.raises(StopIteration) as end:
        steps.send(refused("invalid_scope"))

    assert end.value.value is kept
