"""From checked rows to planned lines: products, costs, fixed bytes."""
