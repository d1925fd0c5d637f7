"""Phase validate: nothing is believed, everything is compared."""
