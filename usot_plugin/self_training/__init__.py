"""Self-training: a trained tracker labels the clips again, and what follows from that."""
