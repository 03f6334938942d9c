"""dropexp: does dropout help this network on this data? An experiment runner that answers with error bars."""

__version__ = "0.1.0"
