"""Antiphon: marketing campaigns from plain files, never twice, never lost."""

__version__ = "0.1.0"
