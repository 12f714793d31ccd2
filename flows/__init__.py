"""When, and in what order: the flows Prefect schedules and runs."""
