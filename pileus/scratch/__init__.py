"""The scratch volume: how much a group needs, and how much each worker has reserved."""
