"""Generated nights that go wrong: see docs/chaos.md."""
