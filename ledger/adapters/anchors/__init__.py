"""Outside holders of the newest signed note, one module each."""
