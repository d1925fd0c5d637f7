"""Phase preflight: looks only; everything that could stop the night is found before anything is touched."""
