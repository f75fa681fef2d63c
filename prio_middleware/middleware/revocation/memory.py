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


DENIAL: Final = 300.0
"""Seconds of a first denial. Each further one at the same path lasts twice as long."""

LONGEST_DENIAL: Final = 3600.0
"""Maximum seconds of a denial. Afterwards a renewal is allowed again, because privileges may have been granted."""

PATHS: Final = 4096
"""Paths that are remembered, for all kinds of tokens: the most recently used ones."""

TEMPLATES: Final = 1024
"""Path templates that are remembered: the most recently used ones."""

KINDS: Final = 1024
"""Kinds of tokens (by scope, audience and so on) that are remembered: the most recently used ones."""

CODES: Final = 8
"""Error codes that are remembered for each path."""

ORIGINS: Final = 64
"""Origins that are remembered for each kind of token."""

PATH_LIMIT: Final = 512
"""Characters of a path that are kept, and of a method, a host, the options of a token or a code. Longer ones are hashed."""

HISTORY: Final = 1024
"""Answers and refusals after which the older ones count half."""

OFTEN: Final = 10
"""Answers from which an endpoint may use the reserve."""

RARE: Final = 0.05
"""Share of refusals up to which a template that has answered is trusted for paths that never did."""

TEMPLATE_WEIGHT: Final = 50.0
"""Weight of the template's share of refusals in a path's own, in calls."""

REFUSAL_EVIDENCE: Final = 5.0
"""Maximum evidence of one refusal against a token, in nats (natural units of information).

Refusals are not independent: a batch may contain many.
"""

ANSWER_EVIDENCE: Final = 2.0
"""Evidence that one answer removes, in nats. Not all, because the answer may have been sent before the token died."""

_owners = itertools.count()


class EndpointKey(NamedTuple):
    """Endpoint of the API, for one kind of token. Without the query.

    Attributes:
        kind: equal for tokens that replace each other.
        method: the HTTP method.
        origin: host and port.
        path: the full path, or its template.
    """

    kind: Hashable
    method: str
    origin: Hashable
    path: str


@dataclass(slots=True)
class Denial:
    """Error code at one path that new tokens did not cure.

    Attributes:
        refused: serial of the first token that was refused, or of the newest that did not help.
        useless: serial of the newest token that did not help.
        times: number of tokens that did not help.
        until: time until which no new token is expected to help.
    """

    refused: int
    useless: int = 0
    times: int = 0
    until: float = float("-inf")

    def record(self, serial: int, now: float, forgiven: int) -> None:
        """Record that the token ``serial`` did not help. Calls with the same token count once."""
        if serial == self.useless:
            return
        self.refused = self.useless = serial
        self.times += 1
        if self.times > forgiven:
            self.until = now + min(DENIAL * 2.0 ** (self.times - forgiven - 1), LONGEST_DENIAL)


@dataclass(slots=True)
class _Counts:
    """Successes, and refusals not attributed to a dead token. Older ones count less."""

    answered: float = 0.0
    refused: float = 0.0

    def add(self, *, answers: int = 0, refusals: int = 0) -> None:
        self.answered += answers
        self.refused += refusals
        if self.answered + self.refused > HISTORY:
            self.answered /= 2
            self.refused /= 2

    @property
    def refusal_rate(self) -> float:
        return (self.refused + 0.5) / (self.answered + self.refused + 1)


@dataclass(slots=True)
class _Path:
    """Full path.

    Attributes:
        worked: True if the path has answered.
        counts: its answers and refusals.
        invalid: serial of the token in its last refusal of a first attempt, if that named the token; else 0.
        denials: denials by error code.
    """

    worked: bool = False
    counts: _Counts = field(default_factory=_Counts)
    invalid: int = 0
    denials: dict[str, Denial] = field(default_factory=dict)

    def denial(self, code: str, serial: int) -> Denial:
        if code not in self.denials and len(self.denials) >= CODES:
            del self.denials[next(iter(self.denials))]
        return self.denials.setdefault(code, Denial(serial))


@dataclass(slots=True)
class _Template:
    """All paths of one template.

    Attributes:
        counts: their answers and refusals.
        serial: serial of the newest token that they answered.
    """

    counts: _Counts = field(default_factory=_Counts)
    serial: int = 0


@dataclass(slots=True)
class _Token:
    """Tokens of one kind.

    Attributes:
        renewed: serial of the newest token that was replaced.
        answered: serial of the newest token that a call succeeded with.
        origins: serial of the newest token that each origin accepted.
        evidence: evidence against the present token, in nats.
        baseline: successes, and refusals that prove little about the token: the base rate for endpoints without a history.
    """

    renewed: int = 0
    answered: int = 0
    origins: OrderedDict[Hashable, int] = field(default_factory=OrderedDict)
    evidence: float = 0.0
    baseline: _Counts = field(default_factory=_Counts)

    def answer(self, origin: Hashable, serial: int) -> None:
        _set(self.origins, origin, serial, ORIGINS)
        self.answered = serial
        self.evidence = max(0.0, self.evidence - ANSWER_EVIDENCE)
        self.baseline.add(answers=1)


class _Endpoint(NamedTuple):
    """Records of the endpoint of one call.

    Attributes:
        key: the endpoint's key, with a path of limited length.
        path: the full path.
        template: all paths of its template.
        token: the tokens of its kind.
    """

    key: EndpointKey
    path: _Path
    template: _Template
    token: _Token

    def confidence(self, *, denied: bool, explicit: bool) -> Confidence:
        if self.path.worked:
            return Confidence.DISTRUSTED if denied else Confidence.KNOWN
        counts = self.template.counts
        if counts.answered and (not counts.refused or counts.refusal_rate <= RARE):
            return Confidence.LIKELY
        return Confidence.EXPLICIT if explicit else Confidence.UNKNOWN

    def refusal_rate(self) -> float:
        """Return the share of calls to this endpoint that are refused while the token is alive."""
        own, all_paths = self.path.counts, self.template.counts
        if not all_paths.answered:
            return self.token.baseline.refusal_rate
        return (own.refused + TEMPLATE_WEIGHT * all_paths.refusal_rate) / (own.answered + own.refused + TEMPLATE_WEIGHT)

    def add_refusal(self) -> None:
        self.path.counts.add(refusals=1)
        self.template.counts.add(refusals=1)

    def answers_often(self, serial: int) -> bool:
        """Return True if the endpoint answers often, and also answered the token ``serial`` if any endpoint did."""
        return self.template.counts.answered >= OFTEN and (self.template.serial == serial or self.token.answered < serial)


class RefusalMemory:
    """Decides which refusals justify a new token, from recorded successes and refusals.

    A refusal has two possible causes: the token is dead, or the call is refused with any token. A new token cures only the
    first, but the responses look alike. The memory learns from outcomes:

    - If the token was replaced already, a retry costs no token request. It is allowed, unless the path is denied and never
      succeeded.
    - If an endpoint has answered before and refuses now, the token is probably dead. Paths of one template (``/orders/17`` and
      ``/orders/18``) count as one endpoint.
    - A path where new tokens did not help is denied for a time: after one token if it never answered, after two if it did,
      because a token may be revoked right after it is issued. Denials are per full path: another order may be accessible.
    - Each refusal is evidence against the token: the more, the rarer its endpoint refuses. Each answer is evidence for it.

    The :class:`RenewalLimiter` limits the renewals that do not help.

    A larger serial means a newer token. Times are seconds of the caller's clock. Not thread-safe.
    """

    def __init__(self, limiter: RenewalLimiter | None = None, templates: PathTemplates | None = None) -> None:
        self.limiter = limiter or RenewalLimiter()
        self._owner = next(_owners)  # Memories that share the limiter have separate tokens.
        self._template_of = (templates or PathTemplates()).of
        self._paths: OrderedDict[EndpointKey, _Path] = OrderedDict()
        self._templates: OrderedDict[EndpointKey, _Template] = OrderedDict()
        self._tokens: OrderedDict[Hashable, _Token] = OrderedDict()

    def record_answer(self, key: EndpointKey, serial: int, *, retried: bool = False) -> None:
        """Record that a call was answered.

        Args:
            key: its endpoint, with the full path.
            serial: the serial of its token.
            retried: True on the retry with a new token.
        """
        key, path, template, token = self._recall(key)
        renewed_here = retried and self.limiter.record_help((self._owner, key.kind), serial) == key
        if renewed_here or not path.worked:
            path.denials.clear()
        path.worked = True
        path.counts.add(answers=1)
        template.counts.add(answers=1)
        template.serial = max(template.serial, serial)
        if serial > token.renewed:
            token.answer(key.origin, serial)

    def record_refusal(
        self, key: EndpointKey, code: str, serial: int, now: float, *, explicit: bool = False, retried: bool = False
    ) -> bool:
        """Record that a call was refused. Return True to retry it with a newer token than ``serial``.

        Args:
            key: its endpoint, with the full path.
            code: status and error code of the refusal.
            serial: the serial of its token.
            now: the time.
            explicit: True if the code names the token.
            retried: True on the retry with a new token.
        """
        endpoint = self._recall(key)
        key, path, _, token = endpoint
        denial = path.denial(_short(code), serial)
        if retried or (serial > denial.refused and not path.worked):
            denial.record(serial, now, forgiven=int(path.worked))
            endpoint.add_refusal()
            if retried and not explicit and 0 < path.invalid < serial:
                # The new token is valid: this call is refused for another reason.
                self.limiter.record_help((self._owner, key.kind), serial)
            return False
        path.invalid = serial if explicit else 0
        denied = now < denial.until
        if denied and not path.worked:
            return False
        if serial <= token.renewed or self.limiter.has_renewed(serial):
            return True
        confidence = endpoint.confidence(denied=denied, explicit=explicit)
        if self.limiter.allow(self._candidate(serial, endpoint, confidence), now):
            token.renewed, token.evidence = serial, 0.0
            return True
        endpoint.add_refusal()
        return False

    def _candidate(self, serial: int, endpoint: _Endpoint, confidence: Confidence) -> Candidate:
        key, token = endpoint.key, endpoint.token
        rate = endpoint.refusal_rate()
        if confidence not in {Confidence.KNOWN, Confidence.LIKELY}:
            token.baseline.add(refusals=1)
        token.evidence += min(-math.log(rate), REFUSAL_EVIDENCE)
        return Candidate(
            (self._owner, key.kind),
            serial,
            key.origin,
            key,
            confidence,
            token.evidence,
            token_works=token.answered >= serial,
            origin_works=token.origins.get(key.origin, 0) >= serial,
            answers_often=endpoint.answers_often(serial),
        )

    def _recall(self, key: EndpointKey) -> _Endpoint:
        kind, method, origin, path = key
        kind, origin, method = _bounded(kind), _bounded(origin), _short(method)
        template = EndpointKey(kind, method, origin, _short(self._template_of(path)))
        key = EndpointKey(kind, method, origin, _short(path))
        return _Endpoint(
            key,
            _get_or_create(self._paths, key, _Path, PATHS),
            _get_or_create(self._templates, template, _Template, TEMPLATES),
            _get_or_create(self._tokens, kind, _Token, KINDS),
        )


def _short(text: str) -> str:
    return text if len(text) <= PATH_LIMIT else f"{text[:PATH_LIMIT]} {hash(text)}"


def text_length(value: Hashable) -> int:
    """Return the number of characters and bytes in ``value``, a text or a tuple."""
    if isinstance(value, tuple):
        return sum(map(text_length, value))
    return len(value) if isinstance(value, str | bytes) else 0


def _bounded(value: Hashable) -> Hashable:
    return value if text_length(value) <= PATH_LIMIT else hash(value)


K = TypeVar("K")
V = TypeVar("V")


def _get_or_create(entries: OrderedDict[K, V], key: K, new: Callable[[], V], limit: int) -> V:
    """Return the entry of ``key`` and mark it as used. Create it if it is missing."""
    value = entries.get(key)
    return _set(entries, key, new() if value is None else value, limit)


def _set(entries: OrderedDict[K, V], key: K, value: V, limit: int) -> V:
    """Set the entry of ``key`` and mark it as used. Drop the least recently used one above ``limit``."""
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > limit:
        entries.popitem(last=False)
    return value
