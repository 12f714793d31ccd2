"""Decisions in plain words, and in tables."""
