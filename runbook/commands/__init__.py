"""One documented function per verb; the command line maps to them."""
