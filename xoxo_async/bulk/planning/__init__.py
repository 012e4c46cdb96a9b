"""From rows to planned lines: catalogue, prices, totals."""
