"""Evaluation: how good networks are on cases they have not learned from, in tables and pictures."""
