"""The eleven scenarios of the demo. Needs ``httpx2``."""

from __future__ import annotations

import datetime
import select
import socket
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice, repeat, takewhile
from urllib.parse import urlencode

import httpx

from .. import httpx as with_httpx
from .. import httpx2 as with_httpx2
from ..oauth.accounts import AccountCredentials
from ..oauth.token_request import token_extensions
from ..sandbox import Sandbox
from .fixture import OK, PRODUCT, TOKEN_REQUESTS, AtMost, Fixture, answers
from .load import Calls, from_both, from_tasks, from_threads

REPORTS = [
    f"/reports/{name}" for name in ("day", "week", "month", "refunds", "guides", "sales", "stock", "staff", "tax", "all")
]
REQUEST_LIMIT, REJECTION_LIMIT = "they allow 1,000 requests a minute", "they allow 60 answers 4xx a minute"
HOLD_SECONDS = 45.0  # longest time that the API holds calls in flight; the revocation releases them


def burst_of_threads(fixture: Fixture) -> None:
    """Call from threads before any token is cached."""
    total, threads = fixture.number, fixture.number // 4
    story = f"{threads:,} threads make {total:,} calls with ten clients. No token is cached yet. "
    story += "Clients with equal settings share one token provider."
    expected = {TOKEN_REQUESTS: 1, OK: total}
    with fixture.scene("Burst, threads", "sync httpx", story, expected, total, REQUEST_LIMIT) as scene:
        calls = fixture.calls([PRODUCT] * total)
        from_threads(fixture.maker(with_httpx.client, max_connections=10), calls, threads)
        scene.timing, scene.notes = calls.rate(), calls.notes()


def burst_of_tasks(fixture: Fixture) -> None:
    """Call from tasks before any token is cached."""
    total = fixture.number
    story, expected = f"{total:,} tasks make one call each in the same way.", {TOKEN_REQUESTS: 1, OK: total}
    with fixture.scene("Burst, tasks", "async httpx2", story, expected, total, REQUEST_LIMIT) as scene:
        calls = fixture.calls([PRODUCT] * total)
        from_tasks(fixture.maker(with_httpx2.async_client, max_connections=10), calls, total)
        scene.timing, scene.notes = calls.rate(), calls.notes()


def expiry_under_load(fixture: Fixture) -> None:
    """Let tokens expire during calls without a pause. A token is renewed after 90 % of its lifetime."""
    lifetime, lost = 2.0, "calls without a 200"
    story = f"Tokens live for {lifetime:g} s. Threads and tasks share them and call for {2 * lifetime:g} s without a pause."
    libraries, expected = "sync httpx2 + async httpx", {TOKEN_REQUESTS: AtMost(3), lost: 0}
    with fixture.scene("Expiry under load", libraries, story, expected, limits_off=REQUEST_LIMIT) as scene:
        fixture.sandbox.admin.configure(lifetime=lifetime)
        end = fixture.clock() + 2 * lifetime
        calls = fixture.calls(takewhile(lambda _: fixture.clock() < end, repeat(PRODUCT)))
        from_both(fixture.maker(with_httpx2.client), 10, fixture.maker(with_httpx.async_client), 10, calls)
        scene.counted[lost] = calls.made - answers(fixture.sandbox.admin.counts(), 200)
        scene.timing, scene.notes = calls.rate(), calls.notes()


def revocation_in_flight(fixture: Fixture) -> None:
    """Revoke the token while every call is in flight."""
    total, threads, in_flight, sends = fixture.number, fixture.number // 4, "calls in flight", "sends of a single call"
    story = f"{threads:,} threads and {total - threads:,} tasks have one call in flight each. Then their token is revoked."
    expected = {in_flight: total, TOKEN_REQUESTS: 1, OK: total, sends: AtMost(2)}
    limits_off, admin = f"{REJECTION_LIMIT}, and this is {total:,} at once", fixture.sandbox.admin
    with fixture.scene("Revocation in flight", "sync httpx + async httpx2", story, expected, total, limits_off) as scene:
        sync = fixture.maker(with_httpx.client, max_keepalive_connections=100)
        asynchronous = fixture.maker(with_httpx2.async_client, max_keepalive_connections=100)
        with sync() as client:
            client.get(PRODUCT)
        admin.reset_counts()
        admin.configure(api_delay=HOLD_SECONDS)
        calls = fixture.calls(f"{PRODUCT}?call={number}" for number in range(total))  # the query tells calls apart
        with ThreadPoolExecutor(1) as pool:
            revocation = pool.submit(_revoke_when_in_flight, fixture, calls, total)
            from_both(sync, threads, asynchronous, total - threads, calls)
        scene.counted[in_flight], revoked_at = revocation.result()
        by_path = Counter(seen.path for seen in admin.requests() if not seen.token_request)
        scene.counted[sends] = max(by_path.values(), default=0)
        scene.timing = f"The last call was answered {calls.ended - revoked_at:.1f} s after the revocation."
        scene.notes = calls.notes()


def _revoke_when_in_flight(fixture: Fixture, calls: Calls, expected: int) -> tuple[int, float]:
    in_flight, admin = 0, fixture.sandbox.admin
    while not calls.stopped and in_flight < expected:
        time.sleep(0.02)
        in_flight = admin.counts().max_concurrent_calls
        fixture.screen.progress(f", {in_flight:,} in flight")
    revoked_at = time.perf_counter()
    admin.configure(api_delay=0)
    admin.revoke()
    admin.release()
    fixture.screen.progress(", revoked")
    return in_flight, revoked_at


def forbidden_endpoint(fixture: Fixture) -> None:
    """Call an endpoint that this client may not use, again and again."""
    callers, forbidden = fixture.number // 10, fixture.number * 2
    allowed, retries = "answers 200, if allowed", "retries once remembered"
    rounds = [number + number // len(REPORTS) for number in (2 * callers, forbidden)]  # with the allowed calls
    story = f"{callers:,} tasks request forbidden reports {forbidden:,} times, and now and then a product."
    expected = {TOKEN_REQUESTS: AtMost(3), allowed: (2 * callers + forbidden) // len(REPORTS), retries: 0}
    with fixture.scene("Forbidden endpoint", "async httpx2", story, expected, sum(rounds), REJECTION_LIMIT) as scene:
        make_client = fixture.maker(with_httpx2.async_client)
        first, second = (fixture.calls(islice(cycle([*REPORTS, PRODUCT]), number)) for number in rounds)
        from_tasks(make_client, first, callers)
        before = fixture.sandbox.admin.counts()
        from_tasks(make_client, second, callers)
        counts = fixture.sandbox.admin.counts()
        repeated = answers(counts, 403) - answers(before, 403) - forbidden
        scene.counted = {allowed: answers(counts, 200), retries: repeated}
        scene.timing, scene.notes = second.rate(), first.notes() + second.notes()


def inside_the_limits(fixture: Fixture) -> None:
    """Make forbidden calls with the API's limits on; then the same calls with a naive client."""
    pairs, rejections, blocked, admin = 40, "answers 4xx", "requests blocked", fixture.sandbox.admin
    story = f"{pairs} forbidden and {pairs} allowed calls in turn. After 60 answers 4xx in a minute, the API blocks a client."
    expected = {rejections: AtMost(60), blocked: 0, TOKEN_REQUESTS: AtMost(3)}
    with fixture.scene("Inside the limits", "sync httpx", story, expected, 2 * pairs) as scene:
        paths = [REPORTS[0], PRODUCT] * pairs
        calls = fixture.calls(paths)
        from_threads(fixture.maker(with_httpx.client), calls, 1)
        counts = admin.counts()
        scene.counted = {rejections: answers(counts, *range(400, 500)), blocked: counts.blocked}
        scene.counted[TOKEN_REQUESTS] = counts.token_requests
        admin.reset_counts()
        call_naively(fixture.sandbox, paths)
        naive = admin.counts()
        comparison = "The same calls by a client that requests a new token after every 403, and retries: "
        comparison += f"{naive.token_requests} token requests and {answers(naive, 403)} answers 403. "
        comparison += f"Then the API blocked {naive.blocked} of its requests."
        scene.notes = [*calls.notes(), comparison]


def call_naively(sandbox: Sandbox, paths: Iterable[str]) -> None:
    """Make calls like many a first client: request a new token after every 403, and retry."""
    credentials = sandbox.client_id, sandbox.client_secret
    with httpx.Client(base_url=sandbox.base_url, verify=sandbox.ssl_context(), trust_env=False) as client:

        def fetch() -> None:
            response = client.post(sandbox.token_url, json={"grant_type": "client_credentials"}, auth=credentials)
            if response.is_success:
                client.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

        fetch()
        for path in paths:
            if client.get(path).status_code == 403:
                fetch()
                client.get(path)


def plain_http(fixture: Fixture) -> None:
    """Call a URL without TLS: the call is blocked before any connection or token request."""
    libraries, connections = "sync + async, httpx + httpx2", "connections to the port"
    story, expected = "Four calls to an open port without TLS.", {connections: 0, TOKEN_REQUESTS: 0}
    server = socket.create_server(("127.0.0.1", 0))
    with server, fixture.scene("Plain HTTP", libraries, story, expected, 4) as scene:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v3.8/distributor/products"
        calls = [fixture.calls([url]) for _ in range(4)]
        from_threads(fixture.maker(with_httpx.client, read_timeout=1.0), calls[0], 1)
        from_tasks(fixture.maker(with_httpx.async_client, read_timeout=1.0), calls[1], 1)
        from_threads(fixture.maker(with_httpx2.client, read_timeout=1.0), calls[2], 1)
        from_tasks(fixture.maker(with_httpx2.async_client, read_timeout=1.0), calls[3], 1)
        scene.counted[connections] = len(select.select([server], [], [], 0)[0])  # 1 if any connection waits to be accepted
        scene.notes = sorted({failure for made in calls for failure in made.failures})


def foreign_redirect(fixture: Fixture) -> None:
    """Follow a redirect to another host and back."""
    first, other, other_exposed = "first hop: with token", "other host: requests", "other host: token, App-*"
    back, back_exposed, home = "return: requests", "return: token or App-*", fixture.sandbox
    story = "A call is redirected to another host, and from there back. That host chose the way back: it gets no token either."
    expected = {first: 1, other: 1, other_exposed: 0, back: 1, back_exposed: 0}
    with fixture.scene("Foreign redirect", "sync httpx", story, expected) as scene, Sandbox(host="localhost") as foreign:
        target = f"{foreign.url}/redirect?{urlencode({'to': f'{home.url}/echo'})}"
        context = home.ssl_context()
        context.load_verify_locations(foreign.ca_file)
        settings = fixture.settings(app={"name": "prio-demo", "version": "1.0"})
        with with_httpx.client(settings=settings, verify=context, follow_redirects=True) as client:
            client.get(f"/redirect?{urlencode({'to': target})}")
        seen, elsewhere = home.admin.requests(), foreign.admin.requests()
        sent, returned = ([request for request in seen if request.route == route] for route in ("/redirect", "/echo"))
        scene.counted = {first: sum(request.authorization is not None for request in sent), other: len(elsewhere)}
        exposed = [sum(bool(seen.authorization or seen.app_headers) for seen in group) for group in (elsewhere, returned)]
        scene.counted |= {other_exposed: exposed[0], back: len(returned), back_exposed: exposed[1]}


def one_way_body(fixture: Fixture) -> None:
    """Send a body that cannot be sent again, with a revoked token."""
    rejected, next_call, admin = "answers 403", "answers 200, next call", fixture.sandbox.admin
    story = "A generator is sent with a revoked token and cannot be sent again: the caller gets the 403 and the reason."
    expected, make_client = {rejected: 1, next_call: 1, TOKEN_REQUESTS: 2}, with_httpx.client
    with fixture.scene("One-way body", "sync httpx", story, expected) as scene, fixture.maker(make_client)() as client:
        client.get("/products")
        admin.revoke()
        responses = [client.post("/echo", content=(line for line in [b"one line\n"])) for _ in range(2)]
        reason = responses[0].extensions.get("prio_middleware.reason")
        statuses = admin.counts().calls_by_route.get("/echo", {})
        scene.counted = {rejected: statuses.get(403, 0), next_call: statuses.get(200, 0)}
        scene.notes = [f"{type(reason).__name__}: {reason}"]


def wrong_credentials(fixture: Fixture) -> None:
    """Use a secret that the token endpoint does not accept."""
    number, api_calls = 20, "calls to the API"
    story = f"{number} calls with a wrong secret. Every further token request would be one more answer 4xx."
    with fixture.scene("Wrong credentials", "async httpx2", story, {TOKEN_REQUESTS: 1, api_calls: 0}, number) as scene:
        calls = fixture.calls(["/products"] * number)
        from_tasks(fixture.maker(with_httpx2.async_client, client_secret="not-the-secret"), calls, number // 2)
        scene.counted[api_calls], scene.notes = fixture.sandbox.admin.counts().calls, calls.notes()


def sale(fixture: Fixture) -> None:
    """Buy two tickets for each of two accounts, with one client."""
    answered, story = "answers 200 and 201", "List the products, reserve and buy two tickets. The same for another account."
    other = fixture.sandbox.options.accounts[1]
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    load = {"hamburg": AccountCredentials("hamburg", other.client_id, other.client_secret)}.get
    expected, settings = {TOKEN_REQUESTS: 2, answered: 6}, fixture.settings()
    make_client = partial(with_httpx2.client, settings=settings, accounts=load)
    with fixture.scene("A sale", "sync httpx2", story, expected) as scene, make_client() as client:
        for account in (None, "hamburg"):
            own = token_extensions(account=account)
            products = client.get("/products", extensions=own).json()["data"]["items"]
            product = next(item for item in products if item["product_kind"] == "pass")
            tickets = {"product_id": product["product_id"], "date": tomorrow.isoformat(), "quantity": 2}
            made = client.post("/reservations", json=tickets, extensions=own).json()["data"]["reservation"]
            held = {"reservation_reference": made["reservation_reference"]}
            order = client.post("/orders", json=held, extensions=own).json()["data"]["order"]
            scene.notes.append(f"2 x {product['product_title']} for {account or 'the client'}: {order['order_status']}.")
        scene.counted[answered] = answers(fixture.sandbox.admin.counts(), 200, 201)


LARGE = burst_of_threads, burst_of_tasks, expiry_under_load, revocation_in_flight, forbidden_endpoint
SMALL = inside_the_limits, plain_http, foreign_redirect, one_way_body, wrong_credentials, sale
SCENARIOS = (*LARGE, *SMALL)
