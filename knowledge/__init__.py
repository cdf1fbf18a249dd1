"""What may be said: reviewed content, its sources, its dates. No HTTP, no vectors, no chat."""
