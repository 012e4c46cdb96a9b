"""One small module per neighbour, each imported only by who needs it."""
