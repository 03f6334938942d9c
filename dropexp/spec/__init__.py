"""WHAT TO RUN: frozen specifications, read and checked once; no torch, no clock."""
