"""Refusal memory: which refusals deserve a new token, learned per endpoint and path template."""

from __future__ import annotations

import itertools
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from .renewal_limiter import Candidate, Confidence, RenewalLimiter

_ID: Final = re.compile(
    r"(?<![^/]) (?: \d+ | [0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12} | (?=[a-f]*\d)[0-9a-f]{16,} ) (?![^/]) | \d{3,}",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_HAS_DIGIT: Final = re.compile(r"\d", re.ASCII).search


class PathTemplates:
    """Templates of URL paths: a declared one, or else the path with ``{}`` in place of ids.

    Ids are segments of digits, UUIDs, hexadecimal segments of 16 digits or more, and numbers of three digits or more within
    other segments (``ORD-10042``).

    Args:
        declared: templates such as ``/products/{product}/prices``. A segment in braces stands for any one segment.
        prefix: the path of the base URL, below which declared templates apply too.
    """

    def __init__(self, declared: Iterable[str] = (), prefix: str = "") -> None:
        start = f"(?:{re.escape(prefix.rstrip('/'))})?"
        self._declared: list[tuple[str, re.Pattern[str]]] = []
        for template in declared:
            segments = ("[^/]+" if part.startswith("{") else re.escape(part) for part in template.split("/"))
            self._declared.append((template, re.compile(start + "/".join(segments))))

    def of(self, path: str) -> str:
        """Return the template of ``path``."""
        for template, pattern in self._declared:
            if pattern.fullmatch(path):
                return template
        return _ID.sub("{}", path) if _HAS_DIGIT(path) else path


DENIAL: Final = 300.0  # Seconds of the first denial of an error code at a path. Each further one lasts twice as long.
LONGEST_DENIAL: Final = 3600.0  # Seconds. Then a renewal is allowed again, because privileges may have been granted.

# Limits of the memory. The least recently used entries are dropped.
PATHS_LIMIT: Final = 4096  # For all kinds of tokens.
TEMPLATES_LIMIT: Final = 1024
KINDS_LIMIT: Final = 1024  # Kinds of tokens: by scope, audience and so on.
CODES_LIMIT: Final = 8  # Error codes of each path.
ORIGINS_LIMIT: Final = 64  # Origins of each kind of token.
TEXT_LIMIT: Final = 512  # Characters of a path, a method, a host, a code, or the options of a token. Longer ones are hashed.

# Statistics.
HISTORY: Final = 1024  # Successes and refusals after which the older ones count half.
OFTEN: Final = 10  # Successes from which an endpoint may use the reserve of the limiter.
RARE: Final = 0.05  # Share of refusals up to which a template that succeeded is trusted for paths that never did.
TEMPLATE_WEIGHT: Final = 50.0  # Weight of the template's share of refusals in that of a path, in calls.

# Evidence, in nats (natural units of information).
REFUSAL_EVIDENCE: Final = 5.0  # Maximum of one refusal: refusals are not independent, because a batch may contain many.
SUCCESS_EVIDENCE: Final = 2.0  # Removed by one success. Not all, because it may have been sent before the token was revoked.

_owners = itertools.count()


class EndpointKey(NamedTuple):
    """Endpoint of the API, for one kind of token. Without the query."""

    kind: Hashable  # Equal for tokens that replace each other.
    method: str
    origin: Hashable  # Host and port.
    path: str  # The full path, or its template.


@dataclass(slots=True)
class CodeHistory:
    """One error code at one path: the tokens that did not help against it, and its denial."""

    refused_serial: int  # Of the first refused token; later, of the newest one that did not help.
    unhelpful_serial: int = 0  # Of the newest token that did not help.
    times: int = 0  # Number of tokens that did not help.
    until: float = float("-inf")  # Time until which no new token is expected to help.

    def record(self, serial: int, now: float, forgiven: int) -> None:
        """Record that the token ``serial`` did not help. It counts once. The first ``forgiven`` tokens lead to no denial."""
        if serial == self.unhelpful_serial:
            return
        self.refused_serial = self.unhelpful_serial = serial
        self.times += 1
        if self.times > forgiven:
            self.until = now + min(DENIAL * 2.0 ** (self.times - forgiven - 1), LONGEST_DENIAL)


@dataclass(slots=True)
class _Counts:
    """Counts of successes and refusals. Older ones count less."""

    successes: float = 0.0
    refusals: float = 0.0

    def add(self, *, successes: int = 0, refusals: int = 0) -> None:
        self.successes += successes
        self.refusals += refusals
        if self.successes + self.refusals > HISTORY:
            self.successes /= 2
            self.refusals /= 2

    @property
    def refusal_rate(self) -> float:
        return (self.refusals + 0.5) / (self.successes + self.refusals + 1)


@dataclass(slots=True)
class _Path:
    has_succeeded: bool = False
    counts: _Counts = field(default_factory=_Counts)
    explicit_serial: int = 0  # Of the token of the last refused first attempt. 0 if that refusal was not explicit.
    codes: dict[str, CodeHistory] = field(default_factory=dict)

    def history_of(self, code: str, serial: int) -> CodeHistory:
        if code not in self.codes and len(self.codes) >= CODES_LIMIT:
            del self.codes[next(iter(self.codes))]
        return self.codes.setdefault(code, CodeHistory(serial))


@dataclass(slots=True)
class _Template:
    counts: _Counts = field(default_factory=_Counts)
    newest_success: int = 0  # Serial of the newest token that one of the paths succeeded with.


@dataclass(slots=True)
class _Kind:
    """Tokens of one kind, by their serials."""

    newest_replaced: int = 0  # The newest token that was replaced because of a refusal.
    last_success: int = 0  # The token of the last success.
    origins: OrderedDict[Hashable, int] = field(default_factory=OrderedDict)  # The token of the last success, by origin.
    evidence: float = 0.0  # Against the token in use, in nats.
    # Base rate for endpoints without a history: all successes, but no refusals of KNOWN and LIKELY endpoints.
    baseline: _Counts = field(default_factory=_Counts)

    def record_success(self, origin: Hashable, serial: int) -> None:
        self.origins[origin] = serial
        _use(self.origins, origin, int, ORIGINS_LIMIT)
        self.last_success = serial
        self.evidence = max(0.0, self.evidence - SUCCESS_EVIDENCE)
        self.baseline.add(successes=1)


class _Endpoint(NamedTuple):
    """Records of the endpoint of one call."""

    key: EndpointKey  # With a path of limited length.
    path: _Path
    template: _Template
    kind: _Kind

    def confidence(self, *, denied: bool, explicit: bool) -> Confidence:
        if self.path.has_succeeded:
            return Confidence.DISTRUSTED if denied else Confidence.KNOWN
        counts = self.template.counts
        if counts.successes and (not counts.refusals or counts.refusal_rate <= RARE):
            return Confidence.LIKELY
        return Confidence.EXPLICIT if explicit else Confidence.UNKNOWN

    def refusal_rate(self) -> float:
        """Return the share of calls to this endpoint that are refused while the token is valid."""
        own, all_paths = self.path.counts, self.template.counts
        if not all_paths.successes:
            return self.kind.baseline.refusal_rate
        return (own.refusals + TEMPLATE_WEIGHT * all_paths.refusal_rate) / (own.successes + own.refusals + TEMPLATE_WEIGHT)

    def add_refusal(self) -> None:
        """Count a refusal that a new token probably does not help against."""
        self.path.counts.add(refusals=1)
        self.template.counts.add(refusals=1)

    def add_evidence(self, confidence: Confidence) -> None:
        """Add a refusal to the evidence against the token in use, and to the base rate."""
        rate = self.refusal_rate()
        if confidence not in {Confidence.KNOWN, Confidence.LIKELY}:
            self.kind.baseline.add(refusals=1)
        self.kind.evidence += min(-math.log(rate), REFUSAL_EVIDENCE)

    def succeeds_often(self, serial: int) -> bool:
        """Return True if the endpoint succeeds often, and also succeeded with the token ``serial`` if any endpoint did."""
        template = self.template
        return template.counts.successes >= OFTEN and (template.newest_success == serial or self.kind.last_success < serial)


class RefusalMemory:
    """Decides which refusals justify a new token, from recorded successes and refusals.

    A refusal has two possible causes: the token is invalid, or the call is refused with any token. A new token helps only in
    the first case, but the responses look alike. The memory learns from outcomes:

    - If the token was replaced already, a retry costs no token request. It is allowed, unless the path is denied and never
      succeeded.
    - If an endpoint has succeeded before and refuses now, the token is probably invalid. Paths of one template (``/orders/17``
      and ``/orders/18``) share only counts.
    - A path where new tokens did not help is denied for a time: after one token if it never succeeded, after two if it did,
      because a token may be revoked right after it is issued. Denials are per full path: another order may be accessible.
    - Each refusal is evidence against the token: the more, the rarer its endpoint refuses. Each success removes evidence.

    The :class:`RenewalLimiter` limits the renewals that do not help.

    A larger serial means a newer token. Times are seconds of the caller's clock. Not thread-safe.
    """

    def __init__(self, limiter: RenewalLimiter | None = None, templates: PathTemplates | None = None) -> None:
        self.limiter = limiter or RenewalLimiter()
        self._owner = next(_owners)  # Memories that share the limiter have separate tokens.
        self._template_of = (templates or PathTemplates()).of
        self._paths: OrderedDict[EndpointKey, _Path] = OrderedDict()
        self._templates: OrderedDict[EndpointKey, _Template] = OrderedDict()
        self._kinds: OrderedDict[Hashable, _Kind] = OrderedDict()

    def record_success(self, endpoint_key: EndpointKey, serial: int, *, retried: bool = False) -> None:
        """Record that a call succeeded. See :meth:`judge_refusal` for the arguments."""
        key, path, template, kind = self._recall(endpoint_key)
        renewed_here = retried and self.limiter.record_help((self._owner, key.kind), serial) == key
        if renewed_here or not path.has_succeeded:
            path.codes.clear()
        path.has_succeeded = True
        path.counts.add(successes=1)
        template.counts.add(successes=1)
        template.newest_success = max(template.newest_success, serial)
        if serial > kind.newest_replaced:
            kind.record_success(key.origin, serial)

    def judge_refusal(
        self, endpoint_key: EndpointKey, code: str, serial: int, now: float, *, explicit: bool = False, retried: bool = False
    ) -> bool:
        """Record a refusal. Return True to retry the call with a newer token than ``serial``.

        ``endpoint_key`` has the full path, and ``code`` the status and the error code. ``explicit`` means that the code names
        the token, and ``retried`` that the call was the retry with a new token.
        """
        endpoint = self._recall(endpoint_key)
        key, path, _, kind = endpoint
        history = path.history_of(_short(code), serial)
        # A newer token than the first refused one is refused, too: on the retry, or later at a path that never succeeded.
        if retried or (serial > history.refused_serial and not path.has_succeeded):
            history.record(serial, now, forgiven=int(path.has_succeeded))
            endpoint.add_refusal()
            if retried and not explicit and 0 < path.explicit_serial < serial:
                # The new token is valid: this call is refused for another reason.
                self.limiter.record_help((self._owner, key.kind), serial)
            return False
        path.explicit_serial = serial if explicit else 0
        denied = now < history.until
        if denied and not path.has_succeeded:
            return False
        if serial <= kind.newest_replaced or self.limiter.has_replaced(serial):
            return True
        confidence = endpoint.confidence(denied=denied, explicit=explicit)
        endpoint.add_evidence(confidence)
        candidate = Candidate(
            (self._owner, key.kind),
            serial,
            key.origin,
            key,
            confidence,
            kind.evidence,
            token_works=kind.last_success >= serial,
            origin_works=kind.origins.get(key.origin, 0) >= serial,
            succeeds_often=endpoint.succeeds_often(serial),
        )
        if self.limiter.allow(candidate, now):
            kind.newest_replaced, kind.evidence = serial, 0.0
            return True
        endpoint.add_refusal()
        return False

    def _recall(self, endpoint_key: EndpointKey) -> _Endpoint:
        """Return the records of an endpoint, and mark them as used. Create the missing ones."""
        kind, method, origin, path = endpoint_key
        kind, origin, method = _bounded(kind), _bounded(origin), _short(method)
        template = EndpointKey(kind, method, origin, _short(self._template_of(path)))
        key = EndpointKey(kind, method, origin, _short(path))
        return _Endpoint(
            key,
            _use(self._paths, key, _Path, PATHS_LIMIT),
            _use(self._templates, template, _Template, TEMPLATES_LIMIT),
            _use(self._kinds, kind, _Kind, KINDS_LIMIT),
        )


def _short(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} {hash(text)}"


def text_length(value: Hashable) -> int:
    """Return the number of characters and bytes in ``value``, a text or a tuple."""
    if isinstance(value, tuple):
        return sum(map(text_length, value))
    return len(value) if isinstance(value, str | bytes) else 0


def _bounded(value: Hashable) -> Hashable:
    return value if text_length(value) <= TEXT_LIMIT else hash(value)


K = TypeVar("K")
V = TypeVar("V")


def _use(entries: OrderedDict[K, V], key: K, new: Callable[[], V], limit: int) -> V:
    """Return the entry of ``key``, or a new one. Mark it as used, and drop the least recently used one above ``limit``."""
    value = entries.get(key)
    if value is None:
        value = entries[key] = new()
    entries.move_to_end(key)
    if len(entries) > limit:
        entries.popitem(last=False)
    return value
