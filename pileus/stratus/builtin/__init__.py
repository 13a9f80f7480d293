"""Our own operations, of the endpoint `pileus`."""
