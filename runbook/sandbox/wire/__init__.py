"""The server side of TDS 7.4: bytes from a client become calls of a session, its answers become tokens."""
