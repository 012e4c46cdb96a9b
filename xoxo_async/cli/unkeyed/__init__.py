"""The parts of `xoxo points` and `xoxo links` that work on a file and a ledger."""
