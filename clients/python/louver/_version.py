"""The version of every part of Louver: one distribution, one number."""

__version__ = "0.1.0"
