"""Which frames of a track make one training group."""
