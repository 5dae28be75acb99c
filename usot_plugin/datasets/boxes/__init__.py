"""Where the boxes of training groups come from."""
