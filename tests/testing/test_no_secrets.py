from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from prio_middleware import Secret, testing
from prio_middleware.sandbox import Sandbox
from prio_middleware.testing import NoSecrets

SECRET = "7f3b-c4n4ry-5ecret-91d2"
LOG = logging.getLogger("shop.orders")


@pytest.fixture(autouse=True)
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """The process's tracer provider, which otherwise can be set but once."""
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return provider


@pytest.fixture
def no_secrets(capsys: pytest.CaptureFixture[str]) -> Iterator[NoSecrets]:
    with NoSecrets(capsys) as no_secrets:
        Secret(SECRET)
        yield no_secrets


def fail_with(secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError:
        LOG.exception("It failed.")


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def trace_it(name: str, **attributes: str) -> None:
    with trace.get_tracer_provider().get_tracer("shop").start_as_current_span(name, attributes=attributes):
        pass


LEAKS: dict[str, tuple[Callable[[], object], str]] = {
    "message": (lambda: LOG.debug("token %s", SECRET), "a record of the logger 'shop.orders' (DEBUG, test_no_secrets.py:"),
    "traceback": (lambda: fail_with(SECRET), "a record of the logger 'shop.orders' (ERROR"),
    "extra": (lambda: LOG.info("made", extra={"header": SECRET}), "a record of the logger 'shop.orders' (INFO"),
    "base64": (lambda: LOG.info("%s", base64.b64encode(f"me:{SECRET}".encode())), "a record of the logger"),
    "output": (lambda: write(f"fine\n{SECRET}"), "line 2 of standard output"),
    "error output": (lambda: sys.stderr.write(SECRET[:16]), "line 1 of standard error"),
    "attribute": (lambda: trace_it("sale", authorization=f"Bearer {SECRET}"), "the span 'sale'"),
}


@pytest.mark.parametrize(("leak", "place"), LEAKS.values(), ids=LEAKS)
def test_a_leak_is_found_as_long_as_the_test_runs_and_not_repeated(
    no_secrets: NoSecrets, leak: Callable[[], object], place: str
) -> None:
    leak()

    for _ in range(2):
        with pytest.raises(AssertionError) as caught:
            no_secrets()

        assert place in str(caught.value)
        assert SECRET not in str(caught.value)


def test_a_leak_in_what_the_test_hands_in_is_found(no_secrets: NoSecrets) -> None:
    with pytest.raises(AssertionError, match="argument 2"):
        no_secrets("fine", {"body": SECRET})


def test_what_is_masked_is_no_leak(no_secrets: NoSecrets) -> None:
    LOG.info("made %s", Secret(SECRET), extra={"secret": Secret(SECRET)})
    write(str(Secret(SECRET)))
    trace_it("sale", secret=repr(Secret(SECRET)))

    no_secrets(Secret(SECRET))


def test_other_texts_can_be_watched(no_secrets: NoSecrets) -> None:
    LOG.info("card 4111-1111-1111-1111")
    no_secrets()

    no_secrets.watch("4111-1111-1111-1111")
    with pytest.raises(AssertionError):
        no_secrets()


def test_everything_is_as_before_when_it_ends(capsys: pytest.CaptureFixture[str], provider: TracerProvider) -> None:
    root, make = logging.getLogger(), Secret.__init__
    before = (root.level, list(root.handlers), make)

    with NoSecrets(capsys) as no_secrets:
        write("for the report\n")
        no_secrets()
        Secret(SECRET)
    trace_it("after", authorization=SECRET)
    Secret("another-canary-secret")

    assert (root.level, list(root.handlers), Secret.__init__) == before
    assert capsys.readouterr().out == "for the report\n"
    no_secrets("another-canary-secret")


def test_spans_of_one_test_are_not_those_of_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    with NoSecrets(capsys):
        trace_it("sale", authorization=SECRET)

    with NoSecrets(capsys) as no_secrets:
        no_secrets.watch(SECRET)
        no_secrets()


def test_the_search_works_without_tracing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)

    with NoSecrets(capsys) as no_secrets:
        Secret(SECRET)
        trace_it("sale", authorization=SECRET)
        no_secrets()
        LOG.info(SECRET)
        with pytest.raises(AssertionError, match="logger"):
            no_secrets()


@pytest.mark.parametrize("capture", ["capfd", "capsys", "capfdbinary", "capsysbinary"])
def test_the_search_reads_the_capture_of_the_test(request: pytest.FixtureRequest, capture: str) -> None:
    with NoSecrets(request.getfixturevalue(capture)) as no_secrets:
        no_secrets.watch(SECRET)
        write(SECRET)
        with pytest.raises(AssertionError, match="line 1 of standard output"):
            no_secrets()


def test_the_fixture_knows_the_sandbox_and_its_tokens(
    prio_client: Any, prio_sandbox: Any, assert_no_secrets: NoSecrets
) -> None:
    prio_client.get("/products")
    presented = prio_sandbox.admin.requests()[-1].authorization

    assert_no_secrets()
    for secret in (prio_sandbox.client_secret, presented):
        with pytest.raises(AssertionError):
            assert_no_secrets(secret)


def test_the_search_covers_tokens_of_other_processes(prio_sandbox: Sandbox, assert_no_secrets: NoSecrets) -> None:
    answer = httpx.post(
        prio_sandbox.token_url,
        auth=(prio_sandbox.client_id, prio_sandbox.client_secret),
        json={"grant_type": "client_credentials"},
        verify=prio_sandbox.ssl_context(),
    )
    log = f"Authorization: Bearer {answer.json()['access_token']}"

    assert_no_secrets()
    with pytest.raises(AssertionError, match="argument 1"):
        assert_no_secrets(log)


def test_the_package_knows_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = testing.Nonsense
