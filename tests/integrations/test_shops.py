"""The shops of ``integrations/`` on their real servers, selling tickets from a real sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox
from prio_middleware.testing import NoSecrets
from tests.integrations.shops import SHOPS, Shop, as_dotenv, opened, sandbox_as_the_readme_says

WORKERS = 2
BRISK = {"PRIO_TOKEN_DEADLINE": "0.5", "PRIO_TOKEN_TIMEOUT": "0.5"}

MISUNDERSTOOD = {"starlette": 400, "fastapi": 422, "flask": 400, "django": 200}
"""A quantity that nobody may have. Django shows the form again, with the error."""

SILENCE = {"starlette": 502, "fastapi": 502, "flask": 502, "django": 500}

every_shop = pytest.mark.parametrize("shop", SHOPS, ids=str)
every_application = pytest.mark.parametrize("shop", {shop.folder: shop for shop in SHOPS}.values(), ids=str)


@every_shop
def test_a_sale_goes_through_though_the_token_is_revoked_in_the_middle(
    shop: Shop, prio_sandbox: Sandbox, assert_no_secrets: NoSecrets, tmp_path: Path
) -> None:
    with opened(shop, as_dotenv(prio_sandbox.environment()), tmp_path) as open_shop:
        assert open_shop.ready().json()["clients"]["default"]["expires_in"] > 0
        customer = open_shop.customer()
        assert "Evening cruise with dinner" in customer.look().text
        assert customer.hold().is_success
        prio_sandbox.admin.revoke()
        assert len(customer.buy()) == 2
        assert open_shop.ready().is_success
    assert 2 <= prio_sandbox.admin.counts().token_requests <= 1 + WORKERS
    assert "Traceback" not in open_shop.log
    assert_no_secrets(open_shop.log)


@every_application
def test_what_does_not_work_is_explained(shop: Shop, prio_sandbox: Sandbox, tmp_path: Path) -> None:
    with opened(shop, as_dotenv(prio_sandbox.environment()), tmp_path) as open_shop:
        first, second = open_shop.customer(), open_shop.customer()
        assert first.hold().is_success

        sold_out = second.hold()
        assert sold_out.status_code == 409
        assert "not enough tickets left" in sold_out.text
        assert second.hold("7777").status_code == 404

        prio_sandbox.admin.reset_counts()
        assert second.hold(quantity=99).status_code == MISUNDERSTOOD[shop.folder]
        assert "/reservations" not in prio_sandbox.admin.counts().calls_by_route

        prio_sandbox.admin.fail_api("drop", path="/products")
        silence = second.look()
        assert silence.status_code == SILENCE[shop.folder]
        assert "ticket office" in silence.text
        assert second.look().is_success


@every_shop
def test_customers_are_told_to_come_back_while_there_is_no_token(shop: Shop, prio_sandbox: Sandbox, tmp_path: Path) -> None:
    prio_sandbox.admin.fail_tokens("unavailable", times=None)
    with opened(shop, as_dotenv({**prio_sandbox.environment(), **BRISK}), tmp_path) as open_shop:
        customer = open_shop.customer()
        turned_away = customer.look()
        assert (turned_away.status_code, turned_away.headers["retry-after"]) == (503, "10")
        assert open_shop.ready().status_code == 503
        prio_sandbox.admin.clear_faults()
        assert customer.look().is_success


def test_the_two_commands_of_a_readme_are_all_it_takes(tmp_path: Path) -> None:
    shop = SHOPS[0]
    with sandbox_as_the_readme_says(shop) as dotenv, opened(shop, dotenv, tmp_path) as open_shop:
        assert open_shop.customer().look().is_success


def test_every_readme_starts_the_sandbox_alike() -> None:
    assert len({" ".join(shop.command("python")) for shop in SHOPS}) == 1
