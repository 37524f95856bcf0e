"""The state store's schema, step by step (Alembic). ``State.open`` runs what is missing."""
