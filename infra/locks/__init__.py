"""What images and Lambdas are made of, pinned by version and hash: pip refuses every other file."""
