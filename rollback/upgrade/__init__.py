"""Ways back of phase upgrade."""
