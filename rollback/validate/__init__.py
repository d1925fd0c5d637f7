"""Ways back of phase validate: it changes nothing, so there is none."""
