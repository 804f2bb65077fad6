"""The version of the package, where whoever records it can import it."""

__version__ = "0.1.0"
