"""WORDS FOR A CONSOLE: what a command or a function call says while it works, and how it is printed."""
