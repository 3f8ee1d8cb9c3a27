"""Faults that machines know, each with what must hold through it: `make chaos`."""
