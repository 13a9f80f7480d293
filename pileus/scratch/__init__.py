"""The scratch volume: what a group needs of it, and who holds what."""
