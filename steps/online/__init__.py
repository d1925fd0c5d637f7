"""Phase online: clients are pointed, the gate opens."""
