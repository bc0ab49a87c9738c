"""Grammars of what drivers say, and the generator of the training data."""
