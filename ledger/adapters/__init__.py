"""Stores, drivers, keys and locks behind the ports."""
