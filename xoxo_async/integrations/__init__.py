"""Adapters to other systems, one small module each. The SDK itself imports none of them."""
