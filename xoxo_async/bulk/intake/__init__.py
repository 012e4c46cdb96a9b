"""Rows in: read, checked, told apart."""
