"""The independent auditor: the rules read a second time, in SQL, by code that decides nothing."""
