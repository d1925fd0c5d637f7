"""Ways back of phase preflight: it changes nothing, so there is none."""
