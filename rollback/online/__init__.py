"""Ways back of phase online."""
