"""The policy decision point: documents, signed bundles, and the one decision on each bound query."""
