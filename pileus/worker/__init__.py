"""The worker: takes messages, keeps its claims alive, does the work and answers."""
