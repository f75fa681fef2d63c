"""The pluggable components: each a class of its own file, without I/O, alike for sync and async, httpx and httpx2."""

from ..refusal_rules import RefusalRules
from .application_info import ApplicationInfo
from .budget_guard import BudgetGuard
from .header_injector import HeaderInjector
from .https_enforcer import HTTPSEnforcer
from .origin_guard import OriginGuard
from .revocation_handler import RevocationHandler

__all__ = [
    "ApplicationInfo",
    "BudgetGuard",
    "HTTPSEnforcer",
    "HeaderInjector",
    "OriginGuard",
    "RefusalRules",
    "RevocationHandler",
]
