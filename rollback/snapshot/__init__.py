"""Ways back of phase snapshot."""
