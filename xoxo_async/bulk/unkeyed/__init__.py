"""Jobs of calls without a key: points, links and mailed links. A lost answer of theirs is left to a person."""
