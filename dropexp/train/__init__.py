"""MODEL + DATA -> RECORDS: one training loop, for one run and for a pack."""
