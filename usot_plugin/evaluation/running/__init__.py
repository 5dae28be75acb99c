"""Running trackers over sequences: loops of the Runner, batches, shares of processes."""
