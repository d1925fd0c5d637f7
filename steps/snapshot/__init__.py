"""Phase snapshot: proofs, backups and restore points."""
