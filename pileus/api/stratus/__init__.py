"""The routes of Stratus, over whatever answers requests: a stack, or a node that runs by itself."""
