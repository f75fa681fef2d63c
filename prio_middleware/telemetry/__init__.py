"""What is counted, traced and logged of a token's life. OpenTelemetry is loaded with the first fetch."""
