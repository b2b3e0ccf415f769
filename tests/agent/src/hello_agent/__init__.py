"""A server that says hello, and who it runs as."""

__version__ = "0.1.0"
