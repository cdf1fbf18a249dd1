"""How an entry is found: encoder, vectors, lexical search, ranking. No SQL, no chat."""
