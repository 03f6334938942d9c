"""THE STORY: plan, train, read back, draw, report, compare and verify as plain functions that print nothing."""
