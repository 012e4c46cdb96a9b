"""The HTTP room: the only one that knows aiohttp."""
