"""TABLES OF OTHERS -> A STUDY: results that dropexp did not train, from one epochs.csv."""
