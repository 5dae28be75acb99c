# Several moving objects per clip, beyond the paper: traffic, teams, herds.
discovery = dict(
    # One best rectangle per mask shows one object; five show the others. Two masks often give the
    # same object: keep one of such a pair.
    candidates=dict(per_mask=5, nms=0.7),
    # A path must not hop from one car to the next: it may skip four frames with candidates and
    # needs some overlap (0: IoU outweighs distance).
    trajectory=dict(link_candidates=None, link_frames=5, min_link_reward=0.0),
    # Further objects come and go: a track ends with its picks, and five picks (about half a second)
    # are the least that make one.
    objects=dict(per_clip=20, trim_ends=True, min_picks=5),
)
