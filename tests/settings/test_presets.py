from __future__ import annotations

import pytest

from prio_middleware.settings.presets import PRESETS, PRIO, RFC6749, EnvironmentName

URLS: list[tuple[EnvironmentName | None, str | None, str]] = [
    (None, None, "https://distributor-api.prioticket.com/v3.8/distributor"),
    ("production", None, "https://distributor-api.prioticket.com/v3.8/distributor"),
    ("staging", None, "https://staging-distributor-api.prioticket.com/v3.8/distributor"),
    ("sandbox", "v3.9", "https://sandbox-distributor-api.prioticket.com/v3.9/distributor"),
    ("internal", None, "https://internal-distributor-api.prioticket.com/v3.8/distributor"),
]


def test_prio_urls_follow_from_environment_and_version(subtests: pytest.Subtests) -> None:
    for environment, version, expected in URLS:
        with subtests.test(str((environment, version, expected))):
            base_url = PRIO.base_url(environment, version)
            assert base_url == expected
            assert PRIO.token_url(base_url) == f"{expected}/oauth2/token"


def test_rfc6749_knows_no_urls() -> None:
    assert not RFC6749.base_url(None, None)
    assert not RFC6749.token_url("https://api.example.com")


def test_prio_differs_from_the_rfc_where_its_documentation_does() -> None:
    assert (PRIO.body_format, PRIO.basic_encoding, PRIO.read_timeout) == ("json", "raw", 60.0)
    assert (RFC6749.body_format, RFC6749.basic_encoding) == ("form", "form")
    assert PRIO.refusals.may_reject_token(403)
    assert not RFC6749.refusals.may_reject_token(403)


def test_presets_are_found_by_their_names() -> None:
    assert {name: preset.name for name, preset in PRESETS.items()} == {"prio": "prio", "rfc6749": "rfc6749"}
