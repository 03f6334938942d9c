"""TABLES -> NUMBERS: statistics and verdicts from stored rows alone; nothing here can see a model."""
