"""What a rehearsal decides without any server."""
