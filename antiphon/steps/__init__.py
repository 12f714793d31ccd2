"""The steps of a run as plain functions: ids in, counts out, each repeatable after a kill."""
