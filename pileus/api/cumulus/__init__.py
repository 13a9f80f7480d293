"""The HTTP API in the shapes of Cumulus's own, under /cumulus: the same local clients, told in other words."""
