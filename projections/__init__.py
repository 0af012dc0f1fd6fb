"""Views folded from the events."""
