"""The journal: append-only, hash-chained events; the state of a run is a fold over them."""
