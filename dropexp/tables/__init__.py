"""NUMBERS -> TEXT: the tables and sentences that commands print."""
