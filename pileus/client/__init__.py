"""What people and programs ask of a stack, typed: the same questions and answers whoever asks, and however."""
