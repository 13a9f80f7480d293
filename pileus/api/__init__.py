"""The HTTP API: routers that translate, and call what every other face calls."""
