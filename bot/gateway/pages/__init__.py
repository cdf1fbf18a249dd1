"""Pages for people: chat, receipt, public guides, staff desk. Server-rendered; scripts only add comfort."""
