"""The commands of `xoxo bulk`, a module each, and what they share. `cli/main.py` lists them."""
