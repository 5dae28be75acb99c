_base_ = ['./udt.py']
# UDT-StandardLoss: samples are not weighed by their motion (Fig. 6); what Eq. 9 adds is the
# difference.
model = dict(loss=dict(type='ConsistencyLoss', drop_share=0.1, weigh_motion=False))
