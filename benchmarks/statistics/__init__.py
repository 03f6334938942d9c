"""Simulations of the statistics: how often words are wrong, how often they are found, and how wide the intervals are."""
