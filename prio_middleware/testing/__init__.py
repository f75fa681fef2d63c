"""pytest fixtures for applications that use this library. pytest loads them automatically. Needs the extra ``testing``.

::

    def test_a_revoked_token_is_replaced(prio_client, prio_sandbox, assert_no_secrets):
        prio_client.get("/products")
        prio_sandbox.admin.revoke()
        assert prio_client.get("/products").status_code == 200

- ``prio_sandbox``: a Prio API over real HTTPS, reset for every test. ``prio_sandbox.admin`` revokes and expires tokens
  (``revoke()``, ``expire()``), causes faults (``fail_tokens("unavailable")``, ``fail_api("drop")``) and delays
  (``configure(api_delay=2)``), and counts (``counts().token_requests``). ``@pytest.mark.prio_sandbox(lifetime=5)`` sets
  options for a test; see :class:`prio_middleware.sandbox.SandboxOptions`.
- ``prio_client``, ``prio_async_client``: clients of the sandbox. The fixture ``prio_library`` names their HTTP library:
  override it, or parametrize a test with it. The async client works in tests run by anyio's plugin or by pytest-asyncio in
  auto mode; in strict mode, enter ``async_client(settings=prio_settings)`` in the test.
- ``prio_rfc6749_client``, ``prio_rfc6749_sandbox``: the same for a server that follows RFC 6749, such as a partner's.
- ``prio_settings``: the settings of such a client, for ``client(settings=...)`` and the framework integrations.
- ``prio_environment``: environment variables that point every client of the application's settings at a sandbox, in its own
  dialect. ``prio.toml``, ``.env`` and other ``PRIO_...`` variables are not read during the test.
- ``prio_clock``: ``prio_clock.advance(3600)`` advances the clock of the sandbox and of every client created in the test by
  an hour: of its tokens, its budget guard, its rejection memory, and its counts of the last minute. Timeouts and pauses
  between attempts use real time.
- ``assert_no_secrets``: fails the test if a secret or a token appears in logs, spans or output. See
  :class:`NoSecrets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .no_secrets import NoSecrets

__all__ = ["NoSecrets"]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562), because pytest loads this package in every run."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .no_secrets import NoSecrets

    return NoSecrets
