"""The worker: takes messages, renews its claims, does the work and answers."""
