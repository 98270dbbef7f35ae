"""Seconds, megabytes and cases a minute, beside peers and the machine's limit; ``python -m benchmarks.speed``."""
