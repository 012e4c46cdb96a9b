"""What everything in a PostgreSQL database shares: its address, connections, failures and schema.

The ledger, the token store and the allowance each have their own statements. This room needs the extra `postgres`
(asyncpg); only `address` works without it.
"""
