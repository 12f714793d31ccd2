"""Alerts: what a person on duty must hear of without looking (`alerts` in config/settings.yaml)."""
