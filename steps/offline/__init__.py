"""Phase offline: users out, jobs quiet, databases closed."""
