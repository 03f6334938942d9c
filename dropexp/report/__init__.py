"""NUMBERS -> PICTURES: the table, the figures and the words they share."""
