"""The client of a stack that this process reaches itself."""
