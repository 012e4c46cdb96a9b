"""The shared ledger: jobs in a PostgreSQL database, worked by any number of processes at once."""
