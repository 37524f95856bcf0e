"""Who may use the console: accounts with one role each, two factors, sessions, and a journal of what they did."""
