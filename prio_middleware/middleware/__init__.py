"""Built-in components of a pipeline. None does I/O, so each serves sync and async clients, httpx and httpx2."""

from .application_info import ApplicationInfo
from .budget_guard import BudgetGuard
from .header_injector import HeaderInjector
from .https_enforcer import HTTPSEnforcer
from .origin_guard import OriginGuard
from .revocation.handler import RevocationHandler
from .revocation.memory import PathTemplates
from .revocation.renewal_limiter import ProcessLimiter
from .revocation.rules import RefusalRules

__all__ = [
    "ApplicationInfo",
    "BudgetGuard",
    "HTTPSEnforcer",
    "HeaderInjector",
    "OriginGuard",
    "PathTemplates",
    "ProcessLimiter",
    "RefusalRules",
    "RevocationHandler",
]
