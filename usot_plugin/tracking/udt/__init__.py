"""UDT, UDT+ and DCFNet at work: a correlation filter that learns on while it tracks."""
