"""dropexp against what a user would write otherwise, on the same work; `python -m benchmarks` runs it."""
