"""The shops of ``integrations/`` on their real servers, selling tickets from a real sandbox."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox
from prio_middleware.testing import NoSecrets
from tests.long.integrations.shops import SHOPS, OpenShop, Shop, as_dotenv, opened, sandbox_as_the_readme_says

WORKERS = 2
BRISK = {"PRIO_TOKEN_DEADLINE": "0.5", "PRIO_TOKEN_TIMEOUT": "0.5"}

MISUNDERSTOOD = {"starlette": 400, "fastapi": 422, "flask": 400, "django": 200}
"""A quantity above the limit. Django shows the form again, with the error."""

SILENCE = {"starlette": 502, "fastapi": 502, "flask": 502, "django": 500}


@pytest.mark.parametrize("shop", SHOPS, ids=str)
def test_a_shop_sells_and_says_what_does_not_work(
    shop: Shop, prio_sandbox: Sandbox, assert_no_secrets: NoSecrets, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    with opened(shop, as_dotenv(prio_sandbox.environment()), tmp_path) as open_shop:
        with subtests.test("a sale, and the token revoked in the middle of it"):
            assert_it_sells(open_shop, prio_sandbox)
            assert "Traceback" not in open_shop.log
        prio_sandbox.admin.reset()
        with subtests.test("what does not work is explained"):
            assert_it_explains(open_shop, shop, prio_sandbox)
    assert_no_secrets(open_shop.log)


def assert_it_sells(shop: OpenShop, sandbox: Sandbox) -> None:
    assert shop.ready().json()["clients"]["default"]["expires_in"] > 0
    customer = shop.customer()
    assert "Evening cruise with dinner" in customer.look().text
    assert customer.hold().is_success
    sandbox.admin.revoke()
    assert len(customer.buy()) == 2
    assert shop.ready().is_success
    assert 2 <= sandbox.admin.counts().token_requests <= 1 + WORKERS


def assert_it_explains(open_shop: OpenShop, shop: Shop, sandbox: Sandbox) -> None:
    first, second = open_shop.customer(), open_shop.customer()
    assert first.hold().is_success

    sold_out = second.hold()
    assert sold_out.status_code == 409
    assert "not enough tickets left" in sold_out.text
    assert second.hold("7777").status_code == 404

    sandbox.admin.reset_counts()
    assert second.hold(quantity=99).status_code == MISUNDERSTOOD[shop.folder]
    assert "/reservations" not in sandbox.admin.counts().calls_by_route

    sandbox.admin.fail_api("drop", path="/products")
    silence = second.look()
    assert silence.status_code == SILENCE[shop.folder]
    assert "ticket office" in silence.text
    assert second.look().is_success


@pytest.mark.parametrize("shop", [shop for shop in SHOPS if shop.server in {"hypercorn", "gunicorn"}], ids=str)
def test_customers_are_told_to_come_back_while_there_is_no_token(shop: Shop, prio_sandbox: Sandbox, tmp_path: Path) -> None:
    prio_sandbox.admin.fail_tokens("unavailable", times=None)
    with opened(shop, as_dotenv({**prio_sandbox.environment(), **BRISK}), tmp_path) as open_shop:
        customer = open_shop.customer()
        turned_away = customer.look()
        assert (turned_away.status_code, turned_away.headers["retry-after"]) == (503, "1")
        assert open_shop.ready().status_code == 503
        prio_sandbox.admin.clear_faults()
        time.sleep(int(turned_away.headers["retry-after"]))
        assert customer.look().is_success


def test_the_two_commands_of_a_readme_are_all_it_takes(tmp_path: Path) -> None:
    shop = SHOPS[0]
    with sandbox_as_the_readme_says(shop) as dotenv, opened(shop, dotenv, tmp_path) as open_shop:
        assert open_shop.customer().look().is_success


def test_every_readme_starts_the_sandbox_alike() -> None:
    assert len({" ".join(shop.command("python")) for shop in SHOPS}) == 1
