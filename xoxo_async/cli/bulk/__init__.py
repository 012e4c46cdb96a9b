"""The commands of `xoxo bulk`, one module each, and the modules that they share. `cli/main.py` lists the commands."""
