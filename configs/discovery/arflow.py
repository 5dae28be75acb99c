# The release's own flow and units. Needs the weights `pwclite_ar_mv.tar` of the ARFlow authors and,
# for speed, a GPU.
discovery = dict(
    flow=dict(type='ARFlow', checkpoint='checkpoints/pwclite_ar_mv.tar', input_size_wh=(640, 384)),
    # The release rescales the flow to the full frame and counts all lengths in its pixels.
    map=dict(pixel_unit='frame'),
    # It has no lower bound of motion.
    candidates=dict(min_peak_px=0.0),
    # It looks back over 100 frames that have candidates, however many candidates these have.
    trajectory=dict(link_candidates=None, link_frames=100),
    # Its fragments end half a step (1 frame) before the walk stops.
    fragments=dict(trim=1),
    # Its slip in the interpolation and its noise at the two ends, so that the boxes are comparable
    # with its own; drop this line for new work.
    fill=dict(legacy=True, end_noise_px=3.0),
)
