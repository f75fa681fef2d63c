from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable

import pytest

from prio_middleware.secret import Secret

CANARY = "canary-3f9a"


@pytest.mark.pitfall(id="printed-secrets")
@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, "{:>20}".format, lambda secret: f"{secret!r}", lambda secret: f"{[secret]}"]
)
def test_it_does_not_show_itself(show: Callable[[Secret], str]) -> None:
    assert CANARY not in show(Secret(CANARY))
    assert "**" in show(Secret(CANARY))


def test_it_has_no_dict_to_look_into() -> None:
    assert not hasattr(Secret(CANARY), "__dict__")


def test_reveal_gives_the_text() -> None:
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.pitfall(id="chained-errors")
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_refuses_to_be_pickled_and_names_the_remedy(protocol: int) -> None:
    with pytest.raises(TypeError, match="load them where they are used") as caught:
        pickle.dumps({"a": Secret(CANARY)}, protocol)
    assert CANARY not in str(caught.value)


def test_copies_are_the_same_secret() -> None:
    @dataclasses.dataclass
    class Holder:
        secret: Secret

    secret = Secret(CANARY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert dataclasses.asdict(Holder(secret))["secret"] is secret


@pytest.mark.parametrize(("other", "equal"), [(Secret(CANARY), True), (Secret("else"), False), (CANARY, False), (None, False)])
def test_it_equals_secrets_of_the_same_text_only(other: object, equal: bool) -> None:
    assert (Secret(CANARY) == other) is equal
    assert (len({Secret(CANARY), other}) == 1) is equal


def test_text_that_is_no_utf_8_compares_without_an_error_that_shows_it() -> None:
    assert Secret("\udcff" + CANARY) == Secret("\udcff" + CANARY)


@pytest.mark.parametrize(("text", "truth"), [("", False), (" ", True), (CANARY, True)])
def test_only_the_empty_one_is_false(text: str, truth: bool) -> None:
    assert bool(Secret(text)) is truth
