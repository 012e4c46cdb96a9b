"""The command `xoxo`: what a person or a cron job types; everything it does, the library does."""
