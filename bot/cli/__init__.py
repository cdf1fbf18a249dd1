"""The commands of `minda` that are more than a few lines."""
