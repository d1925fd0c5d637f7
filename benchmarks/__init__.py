"""What the journal, the engine and the command line cost, as ratios measured within one run."""
