"""Nodes: what does a part of a request, here or elsewhere, and how they are put together."""
