# YouTube-VOS (train/, not train_all_frames/) keeps every fifth frame: what is three frames apart
# there is half a second apart.
discovery = dict(
    # Every frame is evaluated, and flow starts between neighbours.
    frames=dict(eval_gap=1),
    interval=dict(start=1),
    # Fragments are walked frame by frame; neighbours are farther apart, so less overlap and fewer
    # picks are asked for.
    fragments=dict(step=1, reach=220, min_reward=0.40, min_quality=0.35),
)
