# LaSOT videos run over thousands of frames and change object, view and light on the way: each
# window of 200 frames (and 20 of the next) is judged on its own, and no frame is left out at the
# end.
discovery = dict(
    frames=dict(window=200, window_overlap=20, max_count=None),
    # No walk can leave a window of 220 frames.
    fragments=dict(reach=220),
)
