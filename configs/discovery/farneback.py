# A second classical flow, to see what depends on the flow: smoother than DIS, without its search
# for large motion, and ten times its time.
discovery = dict(flow=dict(type='FarnebackFlow'))
