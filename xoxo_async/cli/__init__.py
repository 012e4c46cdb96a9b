"""The command `xoxo`. It reads flags and prints results; the library does the work."""
