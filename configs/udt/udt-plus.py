_base_ = ['./udt.py']
# UDT+: the same weights, a filter over 50 samples solved for every five frames, and a scale filter
# (Sec. 3.5); for testing only.
model = dict(
    test_cfg=dict(
        online=dict(_delete_=True, type='SampleSpaceUpdate', size=50, every=5),
        scales=1,
        scale_filter=dict(type='ScaleFilter', scales=17, step=1.02),
    )
)
