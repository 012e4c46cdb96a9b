"""The ledger in a PostgreSQL database, for any number of processes at once; needs the extra `postgres`."""
