"""Translators between Cumulus's documents and messages and ours: pure, with no client and no edge."""
