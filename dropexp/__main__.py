"""`python -m dropexp` is the command line."""

from dropexp.cli import entry

if __name__ == "__main__":
    entry()
