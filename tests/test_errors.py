from __future__ import annotations

import inspect
import itertools
import pickle
import re
from typing import Any

import httpx
import httpx2
import pytest

from prio_middleware import errors
from prio_middleware.errors import (
    ConfigurationError,
    CredentialsRefusedError,
    InsecureTransportError,
    PolicyError,
    PrioError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenRequestRefusedError,
    bind,
)

TREE: list[type[PrioError]] = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PrioError)]
BASES: list[type[Exception]] = [httpx.TransportError, httpx2.TransportError]
FACTS: dict[str, Any] = {
    "client": "berlin",
    "url": "https://user:pw@api.example/token?secret=1#x",
    "remedy": "Do this.",
    "retry_after": 2.5,
    "code": "invalid_client",
    "status_code": 401,
    "error_reference": "ref-1",
}
every_base = pytest.mark.parametrize("base", BASES)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^ {4}([│├└─ ]*)(\w+Error)\b", inspect.getdoc(errors) or "", re.MULTILINE)
    parents: list[str] = []
    assert len(drawn) > 15
    for branch, name in drawn:
        depth = len(branch) // 4
        del parents[depth:]
        assert getattr(errors, name).__bases__[0].__name__ == (parents[-1] if parents else "Exception")
        parents.append(name)
    assert {name for _, name in drawn} == {kind.__name__ for kind in TREE}


def test_every_error_has_a_docstring_and_a_remedy(subtests: pytest.Subtests) -> None:
    for kind in TREE:
        with subtests.test(kind.__name__):
            assert kind.__doc__
            if not kind.__subclasses__():
                assert kind.default_remedy != PrioError.default_remedy
            assert kind.default_remedy.endswith(".")


def test_an_error_has_its_event_client_url_and_remedy() -> None:
    assert str(TokenError("It failed.", **FACTS)) == (
        "It failed. (client 'berlin', https://api.example/token, error_reference ref-1, try again in 2.5 s) Do this."
    )


def test_unknown_parts_are_left_out_of_an_error() -> None:
    assert str(InsecureTransportError("Plain HTTP.")) == f"Plain HTTP. {InsecureTransportError.default_remedy}"


def test_an_error_knows_what_a_program_asks() -> None:
    error = TokenError("It failed.", **FACTS)
    assert {name: getattr(error, name) for name in FACTS} == {**FACTS, "url": "https://api.example/token"}
    assert error.message == "It failed."


def test_an_error_with_a_wait_of_zero_seconds_shows_it() -> None:
    assert "try again in 0.0 s" in str(TokenError("It failed.", retry_after=0.0))


def test_a_copy_is_equal_in_all_but_identity(subtests: pytest.Subtests) -> None:
    for kind in TREE:
        with subtests.test(kind.__name__):
            error = kind("It failed.", **FACTS)
            twin = error.copy()
            assert twin is not error
            assert type(twin) is kind
            assert (str(twin), vars(twin), twin.args) == (str(error), vars(error), error.args)


def test_a_copy_may_differ() -> None:
    error = TokenError("It failed.", **FACTS)
    assert error.copy(client="hamburg").client == "hamburg"
    assert error.client == "berlin"


def test_a_copy_has_no_traceback_of_another() -> None:
    with pytest.raises(TokenError) as caught:
        raise TokenError("It failed.")
    assert caught.value.__traceback__
    assert caught.value.copy().__traceback__ is None


def test_a_bound_error_is_both(subtests: pytest.Subtests) -> None:
    for kind, base in itertools.product(TREE, BASES):
        with subtests.test(f"{kind.__name__}, {base.__module__}"):
            error = kind("It failed.", **FACTS)
            bound = bind(error, base)
            assert isinstance(bound, kind)
            assert isinstance(bound, base)
            assert type(bound).__name__ == kind.__name__
            assert (str(bound), bound.message, bound.code) == (str(error), error.message, error.code)


@pytest.mark.pitfall(id="two-libraries")
@every_base
def test_both_except_forms_catch_it(base: Any) -> None:
    library = httpx if base is httpx.TransportError else httpx2
    with pytest.raises(library.HTTPError):
        raise bind(TokenError("It failed."), base)
    with pytest.raises(TokenRequestRefusedError):
        raise bind(CredentialsRefusedError("It failed."), base)


@every_base
def test_the_library_can_attach_its_request(base: Any) -> None:
    bound: Any = bind(TokenError("It failed."), base)
    with pytest.raises(RuntimeError):
        _ = bound.request
    request = (httpx if base is httpx.TransportError else httpx2).Request("GET", "https://api.example/")
    bound.request = request
    assert bound.request is request
    assert bound.copy().request is request


@every_base
def test_a_bound_error_is_bound_once(base: type[Exception]) -> None:
    bound = bind(TokenError("It failed.", **FACTS), base)
    again = bind(bound, base)
    assert again is not bound
    assert type(again) is type(bound) is type(bind(TokenError("Another."), base))


def test_an_error_bound_to_one_library_can_be_bound_to_the_other() -> None:
    bound: Exception = bind(bind(TokenError("It failed.", **FACTS), httpx.TransportError), httpx2.TransportError)
    assert [isinstance(bound, kind) for kind in (TokenError, httpx2.TransportError, httpx.TransportError)] == [
        True,
        True,
        False,
    ]
    assert "berlin" in str(bound)


def test_errors_can_be_pickled(subtests: pytest.Subtests) -> None:
    for kind, base in itertools.product(TREE, [None, *BASES]):
        with subtests.test(f"{kind.__name__}, {base}"):
            error = kind("It failed.", **FACTS)
            if base:
                error = bind(error, base)
            twin = pickle.loads(pickle.dumps(error))
            assert type(twin) is type(error)
            assert (str(twin), vars(twin), twin.args) == (str(error), vars(error), error.args)


def test_the_families_can_be_told_apart() -> None:
    assert issubclass(InsecureTransportError, PolicyError)
    assert not issubclass(PolicyError, TokenError)
    assert not issubclass(ConfigurationError, TokenError)
    assert not issubclass(TokenEndpointUnavailableError, TokenRequestRefusedError)
