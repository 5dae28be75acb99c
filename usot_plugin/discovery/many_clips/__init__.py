"""Discovery over many clips: one clip as a pure function, and the engines that run many of them."""
