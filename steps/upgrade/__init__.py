"""Phase upgrade: the strategies' own work."""
