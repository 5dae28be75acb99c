# A second classical flow, to see what depends on the flow. Smoother than DIS, so regions are rounder; about six times slower.
discovery = dict(flow=dict(type='FarnebackFlow'))
