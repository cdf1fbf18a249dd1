"""How an answer is made: a list of steps, each a file, run in order until one gives an Answer."""
