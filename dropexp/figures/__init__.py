"""NUMBERS -> PICTURES: every figure of a study, laid out in inches."""
