"""NUMBERS -> FILES OF OTHERS: a study's table for a paper, its rows for other programs."""
