"""The conversation: answering, dialogue, inbox and the gateway that serves them."""
