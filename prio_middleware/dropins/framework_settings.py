"""Settings that stand in a web framework's own configuration."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ConfigurationError
from ..settings import Settings


def read_settings(values: object, place: str) -> Settings | ConfigurationError:
    """Settings from what a framework's configuration holds: over the environment's and the files', as arguments are.

    Args:
        values: a dict of settings, ready-made :class:`Settings`, or None where there is nothing.
        place: where it stands, for errors.

    Returns:
        The error, if they are wrong. It is not raised here, where the secrets are.
    """
    if isinstance(values, Settings):
        return values
    values = {} if values is None else values
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        return ConfigurationError(f"{place} is a dict of settings, not {type(values).__name__}.")
    try:
        return Settings(**values)
    except ConfigurationError as error:
        return error.copy(message=f"{place}: {error.message}")
