# The numbers of the USOT release on a CPU flow without weights: swapping the flow moves a trained
# tracker by at most one point of LaSOT AUC (ablation of Diff-Tracking), and DIS runs anywhere at
# hundreds of frames per second and core.
discovery = dict(flow=dict(type='DISFlow', preset='fast'))
