"""WHAT TO RUN: a configuration, its variants, the grid of a study, the network layer by layer; plain data."""
