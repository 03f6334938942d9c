"""The same work as a user would write it elsewhere, a complete script a file: `python -m benchmarks.peers.plain NAME OUT`."""
