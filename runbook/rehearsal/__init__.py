"""Rehearsals: the real plan through the real engine on throwaway servers, and proof of how each night ended."""
