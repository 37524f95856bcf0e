"""What every institution has spent on every dataset: the access budget (PRIVACY 5.8)."""
