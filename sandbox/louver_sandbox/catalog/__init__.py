"""What the platform knows about each table before any query: owners, levels, privacy units, bounds, snapshots."""
