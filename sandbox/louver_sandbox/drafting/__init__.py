"""A policy officer's work: what a draft says and would change, and its way into force. No key ever comes here."""
