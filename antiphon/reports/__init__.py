"""Reports: what was sent, what came back and what it was worth, out of the lake and the ledger."""
