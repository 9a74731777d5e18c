"""The version of augan."""

__version__ = "0.1.0"
