"""Keep order lines, and decide every change of them.

`table` decides what one fact does to one line. `recording`, `bookkeeping`, `dealing` and `plans` decide what a whole
transaction does, with no database. A store (`sqlite/`) implements `protocol.Ledger`: it reads rows, asks these modules,
and writes the moves that they return. `opening` knows the stores.
"""
