"""Several accounts on one client: named clients of the settings, and accounts of a resolver."""

from __future__ import annotations

import dataclasses
import pickle
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from prio_middleware import (
    AccountCredentials,
    ConfigurationError,
    Secret,
    StaticTokenProvider,
    UnknownAccountError,
    token_extensions,
)
from prio_middleware._util.clock import using
from prio_middleware.oauth.accounts import AccountResolver
from prio_middleware.settings import ClientSettings, Settings
from tests.oauth.helpers import Clock
from tests.transports.matrix import BASE, TOKEN_URL, Caller, MatrixClient, settings

pytestmark = pytest.mark.anyio

CANARY = "s3cret-of-the-database"


class Bank:
    """Server that knows the accounts by their client ids. Tokens name their account."""

    def __init__(self, matrix: MatrixClient) -> None:
        self._library = matrix.library
        self.requests: list[str] = []
        self.refused: set[str] = set()
        self.scopes: list[str] = []
        self.never_accepted = "none"

    def __call__(self, request: Any) -> Any:
        if request.url.path != "/token":
            authorization = request.headers.get("authorization", "")
            is_refused = authorization in self.refused or authorization.startswith(self.never_accepted)
            return self._library.Response(401 if is_refused else 200, json={"by": authorization})
        body = dict(self._library.QueryParams(request.content.decode()))
        self.requests.append(body["client_id"])
        self.scopes.append(body.get("scope", ""))
        if body["client_id"] in self.refused:
            return self._library.Response(401, json={"error": "invalid_client"})
        token = f"{body['client_id']}-{len(self.requests)}"
        return self._library.Response(200, json={"access_token": token, "token_type": "Bearer", "expires_in": 3600})


@pytest.fixture
def bank(matrix: MatrixClient) -> Bank:
    return Bank(matrix)


def own(**changes: Any) -> ClientSettings:
    return settings(client_id="own", client_auth="client_secret_post", **changes)


def named(**clients: Any) -> Settings:
    common = {"preset": "rfc6749", "base_url": BASE, "token_url": TOKEN_URL, "client_auth": "client_secret_post"}
    return Settings.from_values(**common, client_id="own", client_secret=CANARY, clients=clients)


def of(account: str, **options: Any) -> dict[str, Any]:
    return {"extensions": token_extensions(account=account, **options)}


def resolver(matrix: MatrixClient, load: Callable[[str], Any]) -> AccountResolver:
    """Return ``load`` as a function for the kind of client."""
    if matrix.is_sync:
        return load

    async def aload(name: str) -> Any:
        await anyio.lowlevel.checkpoint()
        return load(name)

    return aload


def credentials(name: str) -> AccountCredentials | None:
    return None if name.startswith("no") else AccountCredentials(name, f"id-{name}", f"{CANARY}-{name}")


def client(matrix: MatrixClient, bank: Bank, load: Callable[[str], Any] = credentials, **changes: Any) -> Caller:
    return matrix.client(bank, settings=own(**changes), accounts=resolver(matrix, load))


async def by(caller: Caller, **options: Any) -> str:
    """Return the token that a call carried."""
    response = await caller.get("/products", **options)
    return str(response.json()["by"]).removeprefix("Bearer ")


async def test_named_clients_at_the_same_server_are_accounts(matrix: MatrixClient, bank: Bank) -> None:
    caller = matrix.client(bank, settings=named(berlin={"client_id": "b", "client_secret": "x"}))

    assert await by(caller) == "own-1"
    assert await by(caller, **of("berlin")) == "b-2"
    assert await by(caller, **of("berlin")) == "b-2"
    assert await by(caller, **of("default")) == "own-1"
    assert bank.requests == ["own", "b"]


async def test_a_client_at_another_server_is_no_account(matrix: MatrixClient, bank: Bank) -> None:
    elsewhere = {"client_id": "e", "client_secret": "x", "base_url": "https://other.example/v1"}
    over_proxy = {"client_id": "p", "client_secret": "x", "trust_env": False}
    caller = matrix.client(bank, settings=named(elsewhere=elsewhere, direct=over_proxy))
    for name in ("elsewhere", "direct", "nobody"):
        with pytest.raises(UnknownAccountError) as caught:
            await caller.get("/products", **of(name))
        assert isinstance(caught.value, matrix.library.TransportError)

    assert bank.requests == []


async def test_a_resolver_is_asked_once_for_an_account(matrix: MatrixClient, bank: Bank) -> None:
    asked: list[str] = []

    def load(name: str) -> AccountCredentials | None:
        asked.append(name)
        return credentials(name)

    caller = client(matrix, bank, load)
    for _ in range(3):
        assert await by(caller, **of("berlin")) == "id-berlin-1"
        assert await by(caller, **of("berlin", scope="read")) == "id-berlin-2"

    assert asked == ["berlin"]
    assert bank.scopes == ["", "read"]


async def test_an_account_may_name_a_scope(matrix: MatrixClient, bank: Bank) -> None:
    caller = client(matrix, bank, lambda name: AccountCredentials(name, name, "x", scope="booking"))
    await by(caller, **of("berlin"))
    await by(caller, **of("berlin", scope="read"))

    assert bank.scopes == ["booking", "read"]


async def test_the_resolver_is_called_again_after_the_ttl(matrix: MatrixClient, bank: Bank) -> None:
    versions = iter("ab")
    clock = Clock()
    with using(clock):
        caller = client(matrix, bank, lambda name: AccountCredentials(name, next(versions), "x"), accounts_ttl=4000)
        assert await by(caller, **of("berlin")) == "a-1"
        clock.now += 3601
        assert await by(caller, **of("berlin")) == "a-2"
        clock.now += 3601
        assert await by(caller, **of("berlin")) == "b-3"


async def test_the_resolver_is_called_again_when_the_server_rejects_the_credentials(matrix: MatrixClient, bank: Bank) -> None:
    versions = iter("ab")
    bank.refused.add("a")
    caller = client(matrix, bank, lambda name: AccountCredentials(name, next(versions), "x"))

    assert await by(caller, **of("berlin")) == "b-2"


async def test_an_account_that_does_not_exist(matrix: MatrixClient, bank: Bank, subtests: pytest.Subtests) -> None:
    caller = client(matrix, bank)
    for name in ("nobody", "", "a\nb", "x" * 2**20):
        with subtests.test(name=name[:10]), pytest.raises(UnknownAccountError) as caught:
            await caller.get("/products", **of(name))
        assert len(str(caught.value)) < 400

    assert bank.requests == []


async def test_unknown_names_do_not_evict_known_accounts(matrix: MatrixClient, bank: Bank) -> None:
    caller = client(matrix, bank, accounts_limit=16)
    await by(caller, **of("berlin"))
    for number in range(40):
        with pytest.raises(UnknownAccountError):
            await caller.get("/products", **of(f"nobody-{number}"))

    assert await by(caller, **of("berlin")) == "id-berlin-1"
    assert bank.requests == ["id-berlin"]


async def test_clients_with_equal_settings_and_one_resolver_share_the_tokens_of_their_accounts(
    matrix: MatrixClient, bank: Bank
) -> None:
    load = resolver(matrix, credentials)
    for _ in range(2):
        assert await by(matrix.client(bank, settings=own(), accounts=load), **of("berlin")) == "id-berlin-1"


async def test_new_settings_of_another_client_count_for_the_account(matrix: MatrixClient, bank: Bank) -> None:
    for client_id in ("old", "new"):
        every = named(berlin={"client_id": client_id, "client_secret": CANARY})
        assert (await by(matrix.client(bank, settings=every), **of("berlin"))).startswith(client_id)


async def test_settings_with_an_equal_client_keep_their_own_accounts(matrix: MatrixClient, bank: Bank) -> None:
    callers = [
        matrix.client(bank, settings=named(berlin={"client_id": client_id, "client_secret": CANARY}))
        for client_id in ("a", "b", "a")
    ]
    for caller, client_id in zip(callers, ("a", "b", "a"), strict=True):
        assert (await by(caller, **of("berlin"))).startswith(client_id)

    assert bank.requests == ["a", "b"]


async def test_a_resolver_that_does_not_answer_properly(matrix: MatrixClient, bank: Bank, subtests: pytest.Subtests) -> None:
    def raises(_: str) -> None:
        raise RuntimeError(CANARY)

    wrong: dict[str, Callable[[str], Any]] = {
        "raises": raises,
        "another account's": lambda _: AccountCredentials("paris", "p", CANARY),
        "of the wrong type": lambda name: {"account": name, "secret": CANARY},
        "no text": lambda name: AccountCredentials(name, 1, CANARY),  # type: ignore[arg-type]
        "unusable": lambda name: AccountCredentials(name, "", CANARY),
    }
    for label, load in wrong.items():
        caller = client(matrix, bank, load)
        with subtests.test(label), pytest.raises(matrix.library.TransportError) as caught:
            await caller.get("/products", **of("berlin"))
        assert CANARY not in str(caught.value)
        assert "berlin" in str(caught.value)
        assert await by(caller)  # The client's own account is undisturbed.

    assert set(bank.requests) == {"own"}


async def test_a_resolver_that_hangs_costs_one_deadline(matrix: MatrixClient, bank: Bank) -> None:
    goes_on, asked = threading.Event(), 0

    def hangs(name: str) -> AccountCredentials:
        nonlocal asked
        asked += 1
        goes_on.wait(30)
        return AccountCredentials(name, name, "x")

    async def never(_: str) -> None:
        nonlocal asked
        asked += 1
        await anyio.sleep_forever()

    options = own(token_deadline=0.2, token_timeout=0.2)
    caller = matrix.client(bank, settings=options, accounts=hangs if matrix.is_sync else never)
    try:
        with anyio.fail_after(20):
            for _ in range(2):
                with pytest.raises(matrix.library.TransportError):
                    await caller.get("/products", **of("berlin"))
            assert await by(caller) == "own-1"
    finally:
        goes_on.set()
    assert asked == 1


async def test_a_blocking_resolver_serves_async_clients(matrix: MatrixClient, bank: Bank) -> None:
    caller = matrix.client(bank, settings=own(), accounts=credentials)

    assert await by(caller, **of("berlin")) == "id-berlin-1"


class Later:
    """Awaitable that is no coroutine."""

    def __await__(self) -> Any:
        yield from ()
        return AccountCredentials("berlin", "later", "x")


async def test_any_awaitable_is_awaited(matrix: MatrixClient, bank: Bank) -> None:
    caller = matrix.client(bank, settings=own(), accounts=lambda _: Later())
    if matrix.is_sync:
        with pytest.raises(matrix.library.TransportError, match=" Later,"):
            await caller.get("/products", **of("berlin"))
    else:
        assert await by(caller, **of("berlin")) == "later-1"


async def test_a_coroutine_function_serves_no_sync_client(matrix: MatrixClient, bank: Bank) -> None:
    async def load(name: str) -> AccountCredentials | None:
        await anyio.lowlevel.checkpoint()
        return credentials(name)

    caller = matrix.client(bank, settings=own(), accounts=load)
    if matrix.is_sync:
        with pytest.raises(matrix.library.TransportError, match=" coroutine,"):
            await caller.get("/products", **of("berlin"))
    else:
        assert await by(caller, **of("berlin")) == "id-berlin-1"


async def test_a_revoked_account_renews_its_own_token_only(matrix: MatrixClient, bank: Bank) -> None:
    caller = client(matrix, bank)
    first = {name: await by(caller, **of(name)) for name in ("berlin", "paris")}
    bank.refused.add(f"Bearer {first['berlin']}")

    assert await by(caller, **of("berlin")) == "id-berlin-3"
    assert await by(caller, **of("paris")) == first["paris"]


async def test_an_api_that_echoes_the_secret_of_an_account_is_not_repeated(matrix: MatrixClient, bank: Bank) -> None:
    def echo(request: Any) -> Any:
        answer = bank(request)
        if answer.status_code == 401 and request.url.path != "/token":
            return matrix.library.Response(401, json={"error": f"{CANARY}-berlin", "error_reference": "token-of-berlin-1"})
        return answer

    def load(name: str) -> AccountCredentials:
        return AccountCredentials(name, "token-of-berlin", f"{CANARY}-{name}")

    caller = matrix.client(echo, settings=own(), accounts=resolver(matrix, load))
    for number in (1, 2):
        await by(caller, **of("berlin"))
        bank.refused.add(f"Bearer token-of-berlin-{number}")
    bank.refused.add("token-of-berlin")
    reason = (await caller.get("/products", **of("berlin"))).extensions["prio_middleware.reason"]

    assert (reason.code, reason.error_reference) == (None, None)


async def test_rejections_of_one_account_leave_the_others_their_renewals(matrix: MatrixClient, bank: Bank) -> None:
    caller = client(matrix, bank)
    bank.never_accepted = "Bearer id-berlin"
    await by(caller, **of("paris"))
    for number in range(20):
        await caller.get(f"/orders/{number}", **of("berlin"))
    renewals = bank.requests.count("id-berlin") - 1
    bank.refused.add("Bearer id-paris-1")

    assert (await by(caller, **of("paris"))).startswith("id-paris-")
    assert 0 < renewals <= 3


async def test_an_account_and_its_own_client_share_the_limit_of_renewals(matrix: MatrixClient, bank: Bank) -> None:
    every = named(berlin={"client_id": "b", "client_secret": "x"})
    through_default = matrix.client(bank, settings=every)
    own_client = matrix.client(bank, settings=every.client("berlin"))
    bank.never_accepted = "Bearer b-"
    for number in range(20):
        await through_default.get(f"/orders/{number}", **of("berlin"))
        await own_client.get(f"/seats/{number}")

    assert 1 < bank.requests.count("b") <= 1 + 3


async def test_each_account_costs_one_token_request(matrix: MatrixClient, bank: Bank) -> None:
    caller = client(matrix, bank)
    for _ in range(3):
        for number in range(50):
            await by(caller, **of(f"account-{number}"))

    assert len(bank.requests) == 50


async def test_another_token_provider_has_no_accounts(matrix: MatrixClient, bank: Bank) -> None:
    transport = matrix.transport(matrix.library.MockTransport(bank), provider=StaticTokenProvider("t"), origins=[BASE])
    with pytest.raises(ConfigurationError, match="no accounts"):
        await matrix.caller(transport).get("/products", **of("berlin"))


async def test_no_token_is_sent_for_the_account_of_a_function_if_the_provider_has_none(
    matrix: MatrixClient, bank: Bank
) -> None:
    inner = matrix.library.MockTransport(bank)
    plain = matrix.transport(inner, provider=StaticTokenProvider("t"), origins=[BASE]).pipeline
    transport = matrix.transport(inner, pipeline=plain.with_account(lambda: "berlin"))
    with pytest.raises(ConfigurationError, match="no accounts"):
        await matrix.caller(transport).get("/products")


async def test_a_hand_built_provider_has_no_accounts_of_its_own(matrix: MatrixClient, bank: Bank) -> None:
    caller = matrix.client(bank, settings=own())
    with pytest.raises(UnknownAccountError) as caught:
        await caller.get("/products", **of("berlin"))
    assert caught.value.url == f"{BASE}/products"


def test_a_resolver_from_the_settings(matrix: MatrixClient, bank: Bank) -> None:
    with pytest.raises(ConfigurationError, match="accounts"):
        matrix.client(bank, settings=own(accounts="tests.transports.test_accounts:missing"))
    with pytest.raises(ConfigurationError, match="accounts"):
        matrix.client(bank, settings=own(accounts="tests.transports.test_accounts:CANARY"))
    matrix.client(bank, settings=own(accounts="tests.transports.test_accounts:credentials"))


def test_no_dump_shows_the_secret() -> None:
    found = AccountCredentials("berlin", "id", CANARY)
    assert found == AccountCredentials("berlin", "id", Secret(CANARY))
    assert CANARY not in f"{found!r} {dataclasses.asdict(found)}"
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(found)


def test_extensions_hold_what_is_given() -> None:
    assert token_extensions() == {"prio": {}}
    assert token_extensions(account="a", params={"x": "1"}) == {"prio": {"account": "a", "params": {"x": "1"}}}
    assert token_extensions(token=False) == {"prio": {"token": False}}


class TestAFunctionOfTheCall:
    """``client(account=...)``: the account of calls that name none."""

    @pytest.mark.pitfall(id="account-of-another-request")
    async def test_the_function_names_the_account_and_the_callers_request_is_unchanged(
        self, matrix: MatrixClient, bank: Bank
    ) -> None:
        names = iter(["berlin", None, "hamburg"])
        clients = {name: {"client_id": name, "client_secret": CANARY} for name in ("berlin", "hamburg")}
        client = matrix.client(bank, settings=named(**clients), account=lambda: next(names))
        request = client.client.build_request("GET", f"{BASE}/orders")
        before = dict(request.extensions)
        by = [(await client.send(request)).json()["by"] for _ in range(3)]
        await client.close()
        assert [text.rpartition("-")[0].removeprefix("Bearer ") for text in by] == ["berlin", "own", "hamburg"]
        assert dict(request.extensions) == before
