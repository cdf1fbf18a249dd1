"""受理件: what is handed to a person, who has it, by when, and how it ended."""
