"""A user's project: its folder of documents, their schemas, and the registry of what was populated."""
