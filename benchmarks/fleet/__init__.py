"""Comparison of a fleet of processes with and without shared tokens, simulated and with real processes."""
