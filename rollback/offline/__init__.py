"""Ways back of phase offline."""
