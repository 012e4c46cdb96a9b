"""Sending, looking up, settling."""
