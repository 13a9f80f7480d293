"""What specs share: the embedded stack, the worker image, templates, small inputs and references."""
