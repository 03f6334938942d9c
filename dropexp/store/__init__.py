"""A STUDY'S FOLDER: append results, read them back, say which runs are done; one writer, nothing ever deleted."""
