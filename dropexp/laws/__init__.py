"""WHAT MUST HOLD: each law as a small experiment on the code that trains."""
