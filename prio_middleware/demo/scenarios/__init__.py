"""The scenes of the demo, in the order in which they are played."""

from __future__ import annotations

from ..scenario import Scenario
from ..size import Size
from .burst import burst_of_tasks, burst_of_threads
from .credentials import wrong_credentials
from .expiry import expiry_under_load
from .forbidden import forbidden_endpoint
from .limits import inside_the_limits
from .plain_http import plain_http
from .redirect import foreign_redirect
from .replay import one_way_body
from .revocation import revocation_in_flight
from .sale import sale


def all_scenarios(size: Size) -> list[Scenario]:
    """Every scene, as large as ``size`` says."""
    return [
        burst_of_threads(size),
        burst_of_tasks(size),
        expiry_under_load(size),
        revocation_in_flight(size),
        forbidden_endpoint(size),
        inside_the_limits(),
        plain_http(),
        foreign_redirect(),
        one_way_body(),
        wrong_credentials(),
        sale(),
    ]
