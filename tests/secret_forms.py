"""Forms in which a text may repeat a secret. Every search for secrets is tested with this table."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

CANARY = 'p@ss wörd/"+&%:!#<canary>\\'


def in_base64(secret: str, before: int) -> str:
    return base64.b64encode(b"x" * before + secret.encode()).decode()


def for_urls(secret: str, before: int) -> str:
    return base64.urlsafe_b64encode(b"?" * before + secret.encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "in capitals": str.upper,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded, a little": quote,
    "percent-encoded in lower case": lambda secret: quote(secret, safe="").lower(),
    "form-encoded": quote_plus,
    "in JSON": json.dumps,
    "in JSON, unescaped": lambda secret: json.dumps(secret, ensure_ascii=False),
    "in JSON of PHP": lambda secret: json.dumps(secret).replace("/", r"\/"),
    "in HTML": html.escape,
    "in Python": repr,
    "in Python's bytes": lambda secret: repr(secret.encode()),
    "in a header of UTF-8": lambda secret: secret.encode().decode("latin-1"),
    **{f"in base64 after {before}": functools.partial(in_base64, before=before) for before in range(4)},
    **{f"in base64 for URLs after {before}": functools.partial(for_urls, before=before) for before in range(4)},
    "in Basic credentials": lambda secret: base64.b64encode(f"a-client:{secret}".encode()).decode(),
    "in form-encoded Basic credentials": lambda secret: base64.b64encode(f"a:{quote(secret, safe='')}".encode()).decode(),
    "in hexadecimal": lambda secret: secret.encode().hex(),
    "in hexadecimal capitals": lambda secret: secret.encode().hex().upper(),
    "md5": lambda secret: hashlib.md5(secret.encode()).hexdigest(),
    "sha1": lambda secret: hashlib.sha1(secret.encode()).hexdigest(),
    "sha256": lambda secret: hashlib.sha256(secret.encode()).hexdigest(),
    "sha256 in base64": lambda secret: base64.b64encode(hashlib.sha256(secret.encode()).digest()).decode(),
    "sha256 for URLs": lambda secret: base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode(),
}
