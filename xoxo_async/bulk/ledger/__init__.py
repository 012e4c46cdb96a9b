"""Where order lines are kept, and what may become of them."""
