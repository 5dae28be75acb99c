_base_ = ['./usot_got10k_semi.py']
# The same network and code from real boxes alone: what discovery has to be held against. No table of pseudo boxes is looked for.
train_dataloader = dict(dataset=dict(quotas=[50_000, 0], label_share=1.0))
