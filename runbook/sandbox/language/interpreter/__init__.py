"""Runs statements."""
