"""Contracts only, no behaviour; import every one of them from here."""
