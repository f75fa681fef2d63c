"""The pipeline: exchanges, components and the checks of both."""
