"""SQLite 3.46 in the place of Python's own: this folder is the first one on PYTHONPATH, see `make sqlite`.

A Python has one SQLite, and `make test` runs with it. Which one that is decides what bytes mean as JSON.
"""

from pysqlite3 import *  # noqa: F403
