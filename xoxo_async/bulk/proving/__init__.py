"""Prove a job: whether its ledger and the vendor agree, line by line."""
