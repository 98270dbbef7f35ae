"""Measurements of speed and memory; not shipped with the extension."""
