"""The page: a study as one HTML file that needs nothing else, and the index of several."""
