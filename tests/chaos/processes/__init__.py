"""Nights on real processes: what is drawn, the system they happen to, how they are told and judged (docs/chaos.md)."""
