"""Transparency log formats: bytes in, bytes out."""
