"""SiamFC at work: a pyramid of scales around the last place."""
