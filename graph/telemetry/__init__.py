"""What is measured of a process, for Prometheus, and traced, for OpenTelemetry."""
