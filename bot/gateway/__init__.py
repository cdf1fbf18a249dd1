"""The only FastAPI code: the public API, the pages, the internal routes for Rasa, health."""
