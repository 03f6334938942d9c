"""SPECS -> ONE MODEL: networks whose every tensor has a leading axis of runs."""
