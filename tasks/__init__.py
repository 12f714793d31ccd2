"""One retryable step each: ids in, counts out; the work itself is in antiphon.steps."""
