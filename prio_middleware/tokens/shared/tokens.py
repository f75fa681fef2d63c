"""One token for all processes that share a store: look, lead or wait, as steps."""

from __future__ import annotations

import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ...errors import CredentialsRefusedError, TokenEndpointUnavailableError, TokenError
from ..effects import Ask, Pause, Steps
from ..failures import RETRY_AFTER_LIMIT
from ..flight import Outcome, Unanswered
from ..token import AccessToken, TokenOptions, new_generation
from .circuit import AFTER_A_MISS, Circuit
from .heeded import Heeded
from .keyring import Keyring
from .lease import LONGEST_LEASE, fetch_until, lease_seconds, patience_until, poll_pause
from .records import Place, open_refusal, open_token, seal_refusal, seal_token
from .refused import Refused
from .report import Counts, Observer, Operation, OperationSeen, StoreReport
from .store import Lease, Seen, SharedStore, Turn, Unreachable
from .threads import may_start_threads

if TYPE_CHECKING:
    from ..endpoint import TokenEndpoint

T = TypeVar("T")

Request = Callable[["TokenEndpoint", TokenOptions, float], Steps[Outcome]]
"""Asks the token endpoint, until that moment at most."""

_draw = random.SystemRandom().random  # It has no state that a fork would copy.

logger = logging.getLogger("prio_middleware")


class Wanted(NamedTuple):
    """A token that somebody needs.

    Attributes:
        endpoint: where it comes from.
        places: where it may be found; the first is where it belongs.
        until: the moment at which the fetch is given up.
        after_refusal: another one was refused: only one that was asked for after such a refusal will do.
    """

    endpoint: TokenEndpoint
    places: tuple[Place, ...]
    until: float
    after_refusal: bool


class Leased(NamedTuple):
    """A lease that is held.

    Attributes:
        lease: the lease.
        until: the moment at which a fetch under it is to be over.
    """

    lease: Lease
    until: float


class Doubted(NamedTuple):
    """A token that most likely was revoked with another one, and how long it would be good for."""

    generation: str
    until: float


class SharedTokens:
    """The part of a token provider that speaks to other processes, through a store.

    Whatever goes wrong with the store costs the sharing, never the token: then the token endpoint is asked as if there were no
    store. Only a process that needs a new token asks the store at all.

    Args:
        store: where processes meet.
        keyring: what tokens are sealed with.
        hold_back: seconds for which refused credentials are not tried again, by anybody.
        kind: the store's kind, for reports.
        lease: seconds after which a leader who died is replaced, at most.
        circuit: keeps callers away from a store that does not answer. Providers with one store share one.
        observe: is told of every operation.
        clock: seconds of a monotonic clock.
        draw: random numbers from 0 to below 1.
    """

    def __init__(
        self,
        store: SharedStore,
        keyring: Keyring,
        *,
        hold_back: float = 10.0,
        kind: str = "redis",
        lease: float = LONGEST_LEASE,
        circuit: Circuit | None = None,
        observe: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = _draw,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._hold_back = hold_back
        self._kind = kind
        self._lease = lease
        self._circuit = Circuit() if circuit is None else circuit
        self._observe = observe
        self._clock = clock
        self._draw = draw
        self._counts = Counts()
        self._refused = Refused()
        self._heeded = Heeded()
        self._owner = (0, "")

    def fetch(
        self,
        endpoint: TokenEndpoint,
        key: TokenOptions,
        until: float,
        request: Request,
        *,
        spare: bool,
        after_refusal: bool,
    ) -> Steps[Outcome]:
        """A token that is fresh: another process's, or a new one, which the others get too.

        Args:
            endpoint: where the token comes from.
            key: what is asked for.
            until: the moment of the clock at which the fetch is given up.
            request: asks the endpoint.
            spare: the caller has a token that still works. So a leader who is slow, or dead, does not send everybody to the
                endpoint: they go on with what they have.
            after_refusal: the caller's token was refused. Tokens are revoked together, so another that was there before is
                not taken either, but dropped: there are several after an outage, and while one replaces another.
        """
        names = self._keyring.names(endpoint, key)
        wanted = Wanted(endpoint, tuple(Place(name, endpoint.url) for name in names), until, after_refusal)
        patience = patience_until(self._clock(), until)
        polls, missed = 0, False
        while self._clock() < patience:
            found = yield from self._look(wanted)
            if isinstance(found, AccessToken | TokenError):
                return found
            asked_at = self._clock()
            turn = Unreachable("") if found is None else (yield from self._lead(wanted, found))
            if isinstance(turn, Unreachable):
                if missed or not polls or self._clock() + AFTER_A_MISS >= patience:
                    break
                missed = True  # It answered a moment ago, and a leader may be about to publish: once more, then alone.
                yield Pause(AFTER_A_MISS)
                continue
            if isinstance(turn, Lease):
                leased = Leased(turn, fetch_until(asked_at, turn.seconds, until))
                result, final = yield from self._fetch_for_all(wanted, leased, key, request)
                if final:
                    return result
            else:
                yield Pause(poll_pause(polls, turn.wait, self._draw()))
                polls += 1
        if spare and self._clock() >= patience:
            return _overdue(endpoint)
        self._counts.alone += 1
        return (yield from request(endpoint, key, until))

    def refuse(self, token: AccessToken) -> None:
        """A server refused ``token``. Nobody is told now: whoever leads the next fetch does that. No I/O."""
        self._refused.add(token.generation, token.expires_at)

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Hear of tokens that other processes drop, in a thread of this process. Best effort; cheap to call again.

        Args:
            dropped: a bound method that is called with their generations, as long as its object lives.
        """
        if may_start_threads():
            self._store.listen(dropped)

    def report(self) -> StoreReport:
        """What is known of the store."""
        return StoreReport(self._kind, circuit=self._circuit.state(self._clock()), **asdict(self._counts))

    def _look(self, wanted: Wanted) -> Steps[AccessToken | TokenError | Seen | None]:
        """A token or a refusal that will do; else what there is under the token's own name; None: the store is no help."""
        own: Seen | None = None
        for place in wanted.places:
            found = yield from self._look_at(wanted, place)
            if not isinstance(found, Seen):
                return found
            own = found if own is None else own
        return own

    def _look_at(self, wanted: Wanted, place: Place) -> Steps[AccessToken | TokenError | Seen | None]:
        seen = Seen()
        for _ in range(2):
            refused = self._refused.lives(place.name, self._clock())
            asked_at = self._clock()
            answer: Seen | Unreachable = yield from self._ask("look", partial(self._store.look, place.name, refused))
            if isinstance(answer, Unreachable):
                return None
            seen, token = answer, self._token(wanted, place, answer, asked_at)
            if not isinstance(token, Doubted):
                return token or self._refusal(wanted.endpoint, place, seen) or seen
            self._refused.add(token.generation, token.until)  # The second look drops it, for all.
        return seen

    def _token(self, wanted: Wanted, place: Place, seen: Seen, asked_at: float) -> AccessToken | Doubted | None:
        if seen.record is None:
            return None
        opened = open_token(self._keyring, place, seen.record)
        if isinstance(opened, str):
            _warn(wanted.endpoint, place, opened)
            return None
        expiry = wanted.endpoint.expiry
        life, leeway = min(seen.life, opened.lifetime, expiry.max_lifetime), expiry.leeway(opened.lifetime)
        if life <= leeway:
            return None
        self._refused.know(opened.generation, place.name)
        if wanted.after_refusal and not opened.after_refusal:
            return Doubted(opened.generation, asked_at + life)
        self._counts.helped += 1
        return AccessToken(
            opened.value,
            opened.token_type,
            opened.scope,
            expires_at=asked_at + life,
            fresh_until=asked_at + life - leeway,
            lifetime=opened.lifetime,
            source="shared",
            generation=opened.generation,
        )

    def _refusal(self, endpoint: TokenEndpoint, place: Place, seen: Seen) -> TokenError | None:
        if seen.refusal is None:
            return None
        opened = open_refusal(self._keyring, place, seen.refusal)
        if isinstance(opened, str):
            _warn(endpoint, place, opened)
            return None
        left = min(seen.refusal_life, self._heeded.left(opened.name, opened.lifetime, self._clock()))
        if left <= 0:
            _warn(endpoint, place, "it is a refusal that should have ended")
            return None
        self._counts.refusals += 1
        error = opened.error
        return error.copy(
            client=endpoint.client,
            message=f"{error.message} Another process was told so; nobody asks again for {left:.0f} s.",
            retry_after=left if isinstance(error, TokenEndpointUnavailableError) else None,
        )

    def _lead(self, wanted: Wanted, seen: Seen) -> Steps[Lease | Turn | Unreachable]:
        lease = Lease(self._own_name(), new_generation(), lease_seconds(wanted.until - self._clock(), self._lease))
        name, answered = wanted.places[0].name, False
        try:
            turn: Turn | Unreachable = yield from self._ask("lead", lambda: self._store.lead(name, seen, lease))
            answered = True
        finally:
            if not answered:  # Cancelled. It may have been granted all the same.
                self._release_beside(name, lease)
        return lease if isinstance(turn, Turn) and turn.granted else turn

    def _fetch_for_all(
        self, wanted: Wanted, leased: Leased, key: TokenOptions, request: Request
    ) -> Steps[tuple[Outcome, bool]]:
        """The outcome, and whether it is final: a fetch that only the lease cut short goes on."""
        (lease, until), place, leased_at = leased, wanted.places[0], self._clock()
        ended = False
        try:
            result = yield from request(wanted.endpoint, key, until)
            ended = True
        finally:
            if not ended:  # Cancelled. The others should not have to wait for the lease to run out.
                self._release_beside(place.name, lease)
        if isinstance(result, AccessToken):
            sealed = seal_token(self._keyring, place, result, after_refusal=wanted.after_refusal)
            yield from self._publish(place, lease, result, sealed, result.expires_at - leased_at)
            return result, True
        life = self._refusal_life(result)
        if life > 0 and isinstance(result, TokenError):
            sealed = seal_refusal(self._keyring, place, result, life)
            yield from self._ask("refuse", lambda: self._store.refuse(place.name, lease, sealed, life))
        else:
            yield from self._ask("release", lambda: self._store.release(place.name, lease))
        cut_short = isinstance(result, TokenEndpointUnavailableError) and life <= 0 and until < wanted.until
        return result, not cut_short

    def _publish(self, place: Place, lease: Lease, token: AccessToken, sealed: bytes, life: float) -> Steps[None]:
        self._refused.know(token.generation, place.name)  # Whatever comes back: a lost answer may have been a yes.
        kept: bool | Unreachable = yield from self._ask(
            "publish", lambda: self._store.publish(place.name, lease, token.generation, sealed, life)
        )
        self._counts.published += kept is True
        self._counts.kept_back += kept is False

    def _refusal_life(self, error: TokenError | Unanswered) -> float:
        """Seconds for which the whole fleet should not ask again; 0: it may."""
        if isinstance(error, CredentialsRefusedError):
            return self._hold_back
        if isinstance(error, TokenEndpointUnavailableError):
            return min(error.retry_after or 0.0, RETRY_AFTER_LIMIT)
        return 0.0

    def _release_beside(self, name: str, lease: Lease) -> None:
        if sys.is_finalizing():  # Before Python 3.12, to start a thread then is to wait for ever.
            return
        release = threading.Thread(target=self._store.release, args=(name, lease), name="prio_middleware.release", daemon=True)
        try:
            release.start()
        except RuntimeError:  # No more threads, or the interpreter is shutting down: the lease runs out by itself.
            return

    def _ask(self, operation: Operation, do: Callable[[], T | Unreachable]) -> Steps[T | Unreachable]:
        if not self._circuit.admits(self._clock()):
            return Unreachable("circuit open")
        asked_at = self._clock()
        answer: T | Unreachable = yield Ask(do)
        failure = answer.reason if isinstance(answer, Unreachable) else None
        self._record(failure)
        if self._observe is not None:
            now = self._clock()
            self._observe(OperationSeen(operation, now - asked_at, failure, self._circuit.state(now)))
        return answer

    def _record(self, failure: str | None) -> None:
        counts, was_closed = self._counts, self._circuit.is_closed
        counts.reachable = failure is None
        if failure is None:
            self._circuit.succeeded()
            if not was_closed:
                logger.info("The shared token store answers again.")
            return
        self._circuit.failed(self._clock())
        counts.failures += 1
        counts.last_failure = failure
        if was_closed:
            logger.warning("The shared token store does not answer (%s). Until it does, each process fetches its own.", failure)

    def _own_name(self) -> str:
        pid, name = self._owner
        if pid != os.getpid():  # A forked child is somebody else, and its parent's leases are not its own.
            pid, name = self._owner = os.getpid(), new_generation()
        return name


def _overdue(endpoint: TokenEndpoint) -> TokenError:
    return TokenEndpointUnavailableError(
        "Another process set out to fetch a token, and has not brought it yet.", client=endpoint.client, url=endpoint.url
    )


def _warn(endpoint: TokenEndpoint, place: Place, problem: str) -> None:
    logger.warning(
        "A value in the shared token store is not used: %s. It stands under %s… and is replaced with the next token.",
        problem,
        place.name[:8],
        extra={"client": endpoint.client},
    )
