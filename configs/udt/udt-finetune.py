_base_ = ['./udt.py']
# UDT-Finetune: 100 steps of the label-free loss on the first five frames of each test video (Sec. 4.2); for testing only.
model = dict(test_cfg=dict(adapt_frames=5, adapt_iterations=100))
