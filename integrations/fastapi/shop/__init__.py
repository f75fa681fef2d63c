"""A shop for tickets as a FastAPI application."""
