"""Guards of the person on duty: the ledger's memory, what doctor looks at, backups, proofs."""
