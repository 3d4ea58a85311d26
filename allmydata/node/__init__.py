"""Wiring: which services one process runs."""
