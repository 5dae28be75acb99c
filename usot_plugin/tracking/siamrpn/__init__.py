"""SiamRPN++ and SiamMask at work: the best anchor, and the mask of its cell."""
