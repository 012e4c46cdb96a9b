"""Write a ledger's rows to a file: the codes of each row, and which codes are missing and why."""
