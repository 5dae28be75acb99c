_base_ = ['./default.py']
# The default with the motion mask of every picked box, for CycleSiam+. Only the table changes: the
# boxes are the same.
discovery = dict(store_masks=True)
