"""How results are put into words, the same in tables, in figures and on the page."""
