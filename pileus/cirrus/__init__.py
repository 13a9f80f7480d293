"""Cirrus: its payloads, how one follows the other, and its tasks. What is decided here touches no service."""
