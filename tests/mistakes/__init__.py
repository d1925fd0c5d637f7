"""Deliberate mistakes, each of which the tests must notice."""
