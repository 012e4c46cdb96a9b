"""What a ledger holds, as rows in a file: which row has which codes, and which codes are missing and why."""
