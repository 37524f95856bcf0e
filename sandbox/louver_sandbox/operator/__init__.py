"""What an operator, a policy officer and an auditor do on the machine itself."""
