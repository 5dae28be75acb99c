_base_ = ['./udt.py']
# Tracks with the published UDT and DCFNet weights (tools/convert_checkpoint.py) box for box as
# their PyTorch release.
model = dict(legacy=True, normalise=False)
