"""Counters, spans, metrics and log records of tokens. OpenTelemetry is imported at the first fetch."""
