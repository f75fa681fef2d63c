from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from multiprocessing.reduction import ForkingPickler

import pytest

from prio_middleware._util.secret import RECENT_CHARACTERS, RECENT_LIMIT, RecentSecrets, Secret

CANARY = "canary-3f9a"


@pytest.mark.pitfall(id="printed-secrets")
def test_a_secret_does_not_show_its_value(subtests: pytest.Subtests) -> None:
    secret = Secret(CANARY)
    for way, shown in {
        "repr": repr(secret),
        "str": str(secret),
        "format": "{}".format(secret),  # noqa: UP032 - one of the ways
        "a width": f"{secret:>20}",
        "!r": f"{secret!r}",
        "in a list": f"{[secret]}",
    }.items():
        with subtests.test(way):
            assert CANARY not in shown
            assert "**" in shown


def test_a_secret_has_no_dict() -> None:
    assert not hasattr(Secret(CANARY), "__dict__")


def test_reveal_gives_the_text() -> None:
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.pitfall(id="chained-errors")
def test_a_secret_refuses_to_be_pickled_and_names_the_remedy(subtests: pytest.Subtests) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with subtests.test(f"{protocol}"):
            with pytest.raises(TypeError, match="load the settings in the other process") as caught:
                pickle.dumps({"a": Secret(CANARY)}, protocol)
            assert CANARY not in str(caught.value)


@pytest.mark.pitfall(id="chained-errors")
def test_a_secret_has_no_state_for_serializers(subtests: pytest.Subtests) -> None:
    """Neither to a serializer nor to multiprocessing, which gets the same error with its remedy."""
    for dump in (Secret.__getstate__, ForkingPickler.dumps, json.dumps):
        with subtests.test(dump.__name__), pytest.raises(TypeError) as caught:
            dump(Secret(CANARY))
        assert CANARY not in str(caught.value)
        assert dump is json.dumps or "load the settings in the other process" in str(caught.value)


def test_copies_are_the_same_secret() -> None:
    @dataclasses.dataclass
    class Holder:
        secret: Secret

    secret = Secret(CANARY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
    assert dataclasses.asdict(Holder(secret))["secret"] is secret


def test_a_secret_equals_secrets_of_the_same_text_only(subtests: pytest.Subtests) -> None:
    for other, equal in [(Secret(CANARY), True), (Secret("else"), False), (CANARY, False), (None, False)]:
        with subtests.test(f"{other!r}"):
            assert (Secret(CANARY) == other) is equal
            assert (len({Secret(CANARY), other}) == 1) is equal


def test_text_that_is_no_utf_8_compares_without_an_error_that_shows_it() -> None:
    assert Secret("\udcff" + CANARY) == Secret("\udcff" + CANARY)


def test_only_an_empty_secret_is_false(subtests: pytest.Subtests) -> None:
    for text, truth in [("", False), (" ", True), (CANARY, True)]:
        with subtests.test(f"{text!r}"):
            assert bool(Secret(text)) is truth


def recent(*texts: str) -> RecentSecrets:
    secrets = RecentSecrets()
    for text in texts:
        secrets.add(Secret(text))
    return secrets


def revealed(secrets: RecentSecrets) -> list[str]:
    return [secret.reveal() for secret in secrets]


def test_recent_secrets_are_the_latest_ones() -> None:
    assert revealed(recent("a", "b", "a")) == ["b", "a"]
    kept = revealed(recent(*map(str, range(RECENT_LIMIT + 2))))
    assert kept == [str(number) for number in range(2, RECENT_LIMIT + 2)]


def test_a_long_token_displaces_another_one_but_no_client_secret() -> None:
    first, second, endless = ("x" * (RECENT_CHARACTERS - 100), "y" * (RECENT_CHARACTERS - 100), "z" * (RECENT_CHARACTERS + 1))
    assert revealed(recent("a-client-secret", first, second)) == ["a-client-secret", second]
    assert revealed(recent("a-client-secret", endless)) == [endless]


def test_recent_secrets_show_nothing() -> None:
    assert CANARY not in repr(recent(CANARY))
    with pytest.raises(TypeError):
        pickle.dumps(recent(CANARY))
