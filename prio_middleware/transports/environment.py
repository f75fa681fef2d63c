"""The environment's proxies (``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``) as URL patterns.

An HTTP library looks at them only while it makes its own transport, so a client around a wrapped one has to be told.
"""

from __future__ import annotations

import ipaddress
from urllib.request import getproxies


def environment_proxies() -> dict[str, str | None]:
    """Proxy URLs by the pattern of the URLs they are for, as ``mounts=`` spells it. None: no proxy there."""
    found = getproxies()
    excepted = [host.strip() for host in found.get("no", "").split(",") if host.strip()]
    if "*" in excepted:
        return {}
    proxies = {f"{scheme}://": _with_scheme(found[scheme]) for scheme in ("http", "https", "all") if found.get(scheme)}
    return {**proxies, **dict.fromkeys(map(_pattern, excepted))} if proxies else {}


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _pattern(host: str) -> str:
    """The pattern for one entry of ``NO_PROXY``: a domain stands for its subdomains too, an address for itself."""
    if "://" in host:
        return host
    address = _address(host)
    if address and address.version == 6:
        return f"all://[{address}]"
    if address or host.lower() == "localhost":
        return f"all://{host}"
    return f"all://*{host}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]").split("/")[0])
    except ValueError:
        return None
