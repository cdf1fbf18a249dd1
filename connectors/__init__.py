"""How a platform's messages come and go. No policy, no web framework."""
