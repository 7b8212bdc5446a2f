"""Cats and dogs drawn from a seed: any number, any size, with the truth about each."""
