"""The project: its settings, its addresses, and its two ways to be served."""
