"""SPECS -> ONE MODEL: networks whose every tensor has a leading axis of runs."""

import os

# Intel's matrix products round differently with the alignment of their operands, and a run's alignment moves with its
# place in a pack. In this mode they do not, at no cost that could be measured. Read at the first product.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
