"""The version of the SDK. It stands here alone; the package and the user agent take it from here."""

__all__ = ["__version__"]

__version__ = "0.1.0"
