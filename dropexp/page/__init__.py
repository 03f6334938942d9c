"""The page: a study as one self-contained HTML file, and the index of several studies."""
