"""`minda eval`: a question set through the whole answering path; what is right, wrong, and how surely."""
