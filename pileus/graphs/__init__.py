"""Requests of Stratus on the stack: what is checked before one starts, where its parts lie, and what comes of it."""
