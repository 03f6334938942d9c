"""YAML TEXT <-> STUDY: files, options and dicts read into a study with every mistake at once, and written back."""
