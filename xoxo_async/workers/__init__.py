"""Processes that work on the jobs of ledgers until they are stopped: the loop, its health, and its queue."""
