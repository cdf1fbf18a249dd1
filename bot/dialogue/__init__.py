"""The thread over several turns: Rasa behind one client, and what holds when it is late or down."""
