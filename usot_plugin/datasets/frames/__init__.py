"""Where the frames of training groups come from: clips, decoded frames, stored crops."""
