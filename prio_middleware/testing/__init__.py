"""Fixtures for testing an application that uses this library; pytest finds them by itself. Needs the extra ``testing``.

::

    def test_a_revoked_token_costs_the_customer_nothing(prio_client, prio_sandbox, assert_no_secrets):
        prio_client.get("/products")
        prio_sandbox.admin.revoke()
        assert prio_client.get("/products").status_code == 200

- ``prio_sandbox``: a Prio API over real HTTPS, as new for every test. ``prio_sandbox.admin`` revokes and expires tokens
  (``revoke()``, ``expire()``), breaks things (``fail_tokens("unavailable")``, ``fail_api("drop")``), slows them down
  (``configure(api_delay=2)``) and counts (``counts().token_requests``). ``@pytest.mark.prio_sandbox(lifetime=5)`` gives a test
  other options; see :class:`prio_middleware.sandbox.SandboxOptions`.
- ``prio_client``, ``prio_async_client``: ordinary clients for it, of the library that the fixture ``prio_library`` names:
  override it, or parametrize a test with ``prio_library``. The async one is for tests that anyio's plugin runs, or
  pytest-asyncio in auto mode; in strict mode, enter ``async_client(settings=prio_settings)`` in the test.
- ``prio_settings``, ``prio_environment``: the settings of a client for it, for ``client(settings=...)`` and the drop-ins; and
  the same as environment variables, for an application that reads those. Other ``PRIO_...`` variables are gone meanwhile.
- ``prio_clock``: ``prio_clock.advance(3600)`` makes an hour pass, for the sandbox and for every client that is made in the
  test.
- ``assert_no_secrets``: fails the test if a secret or a token appeared in what was logged, traced or written. See
  :class:`NoSecrets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .no_secrets import NoSecrets

__all__ = ["NoSecrets"]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for (PEP 562): pytest loads this package into every run."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .no_secrets import NoSecrets

    return NoSecrets
