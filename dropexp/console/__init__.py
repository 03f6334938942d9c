"""WORDS FOR A CONSOLE: what a command or a call says while it works, and how it is printed."""
