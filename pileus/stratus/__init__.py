"""Requests in the form of Stratus: operations over inputs within domains, and the graph that they make."""
