# YouTube-VOS keeps every fifth frame: what is three frames apart there is half a second apart.
discovery = dict(
    # Every frame is evaluated, and flow starts between neighbours.
    eval_gap_frames=1,
    interval_start=1,
    # Fragments are walked frame by frame; neighbours are farther apart, so less overlap and fewer picks are asked for.
    fragment_step=1,
    fragment_reach=220,
    fragment_min_reward=0.40,
    fragment_min_quality=0.35,
)
