"""A shop for tickets as a Django application."""
