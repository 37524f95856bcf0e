"""What changes for whom between two sets of policies, and which way is looser."""
