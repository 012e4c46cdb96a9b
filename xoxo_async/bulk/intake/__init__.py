"""From files and order lines to checked rows, each with its request."""
