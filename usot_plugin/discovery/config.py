"""Every number of moving-object discovery, in one place.

"Paper" is USOT (Zheng et al., ICCV 2021); "release" is the implementation its authors published. Where the two differ the default is the
release's number, because the published results come from it, and the field's comment names the paper's. A switch of this project (neither
in the paper nor in the release) says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .config_rules import check_values, nearest_name


@dataclass(frozen=True)
class DiscoveryConfig:
    """What turns a clip into pseudo tracks; a plain record that travels in the metadata of the pseudo-box table.

    Lengths and areas whose name ends in ``_px`` count pixels of the picture named by ``pixel_unit``.

    Raises:
        ValueError: A value is out of range; the message names the field.
    """

    # --- flow ---------------------------------------------------------------------------------------------------------------------------
    #: Flow estimator, built through the ``TASK_UTILS`` registry. Release: ARFlow; DIS runs on any CPU without weights.
    flow: dict[str, Any] = field(default_factory=lambda: dict(type='DISFlow', preset='fast'))
    #: Frames are shrunk to fit in this width and height (aspect kept, never enlarged) before flow. Release: ARFlow input of 640 x 384.
    flow_size_wh: tuple[int, int] = (640, 384)
    #: Pixels that all ``_px`` fields count: 'flow' = of the shrunk frame, so that one setting means the same for a 720p and a 4K copy of
    #: a clip; 'frame' = of the full frame (release, which rescales flow and map to it).
    pixel_unit: str = 'flow'

    # --- frames -------------------------------------------------------------------------------------------------------------------------
    #: Flow is evaluated at frames g, 2g, 3g ... that have g frames after them (release; 1 for material of about 5 fps).
    eval_gap_frames: int = 3
    #: Only this many frames from the start of a clip are looked at; None for all (release: 2000, none for LaSOT).
    max_frames: int | None = 2000
    #: Long clips are cut into windows of this many frames, each discovered on its own; None for one window (release: 200 for LaSOT).
    window_frames: int | None = None
    #: Every window but the last runs on for this many frames into the next (release: 20 for LaSOT).
    window_overlap: int = 20

    # --- flow interval T_f --------------------------------------------------------------------------------------------------------------
    #: T_f of the first evaluated frame; later frames start from the value of the frame before (release).
    interval_start: int = 4
    #: Least and greatest T_f (release).
    interval_min: int = 1
    interval_max: int = 7
    #: T_f falls while the largest flow component is above the first and rises while it is below the second (release).
    fast_flow_px: float = 16.0
    slow_flow_px: float = 8.0

    # --- distance map and candidates ----------------------------------------------------------------------------------------------------
    #: Share of each side of the flow map that is cut off (release).
    margin: float = 1 / 32
    #: One mask per alpha: D >= alpha max(D) + (1 - alpha) mean(D). Paper: 0.3 alone; release: 0.3 and 0.16.
    alphas: tuple[float, ...] = (0.3, 0.16)
    #: A frame has candidates only if mean(D) is below the first or max(D) / mean(D) above the second (release; paper: always, which
    #: ``gate_mean_px=float('inf')`` gives).
    gate_mean_px: float = 0.05
    gate_peak_ratio: float = 2.5
    #: ... and max(D) is above this. Of this project: what moves less over T_f frames is noise of the flow, not an object.
    min_peak_px: float = 0.5
    #: Connected areas and holes smaller than this are removed from a mask (release).
    min_region_px: float = 80.0
    #: A rectangle is dropped if a side is below this share of the cut map's side ...
    min_side_ratio: float = 0.02
    #: ... its area is below this, or one side is more than ``max_aspect`` times the other (release) ...
    min_box_area_px: float = 50.0
    max_aspect: float = 6.0
    #: ... or it lies within ``border_px`` of a border and spans more than this share of it (release).
    max_border_span: float = 0.7
    border_px: float = 15.0
    #: beta of the score, paper Eq. 2.
    centre_weight: float = 0.5
    #: Factor for the rectangle that holds the maximum of D, and for each axis on which it lies within ``border_px`` of a border (release).
    peak_factor: float = 2.0
    border_factor: float = 0.5
    #: Best rectangles kept per mask (paper and release: 1).
    candidates_per_mask: int = 1

    # --- trajectory ---------------------------------------------------------------------------------------------------------------------
    #: gamma of the transition reward IoU - gamma d^2 / c^2, paper Eq. 3 (value: release).
    distance_weight: float = 4.1
    #: Negative rewards are multiplied by this (release).
    negative_factor: float = 3.0
    #: K, the reward of each picked candidate (release).
    pick_reward: float = 0.091
    #: A candidate may follow any of this many candidates of earlier frames; None for no bound.
    link_candidates: int | None = 100
    #: ... and only those of this many earlier frames that have candidates; None for no bound (release: 100, without the bound above).
    link_frames: int | None = None
    #: No link below this reward; None for no bound (of this project; paper and release: any link, so a path may jump to another object).
    min_link_reward: float | None = None

    # --- fill ---------------------------------------------------------------------------------------------------------------------------
    #: Swap the two weights of the interpolation between picks, a slip of the release that its authors kept for comparability.
    legacy_fill: bool = False
    #: Half width of the uniform noise on the boxes before the first and after the last pick (release: 3; 0 for none).
    end_noise_px: float = 0.0
    #: The noise is left out where the box's smallest coordinate is below this, before the first and after the last pick (release).
    end_noise_min_px: tuple[float, float] = (75.0, 50.0)
    #: Seed of that noise; nothing else here is random.
    seed: int = 0

    # --- quality ------------------------------------------------------------------------------------------------------------------------
    #: Q_f counts picks within this many evaluated frames on each side (release: 3, its authors also tried 10; paper: T_s).
    quality_radius: int = 3
    #: A box touches a border of the cut frame if it is nearer than this (release).
    corner_tolerance_px: float = 10.0
    #: Weight of a box that touches one border; one that touches a vertical and a horizontal border weighs 1 (release).
    edge_weight: float = 0.3
    #: A track is dropped if Q_v is below, the corner share above, or Q_v - discount * corner share below these (release).
    min_sequence_quality: float = 0.35
    max_corner_share: float = 0.4
    min_value: float = 0.33
    corner_discount: float = 1 / 3
    #: A track is sampled from only if its value reaches theta_1 and its corner share is below the second (release).
    sample_min_value: float = 0.40
    sample_max_corner_share: float = 0.25

    # --- fragments ----------------------------------------------------------------------------------------------------------------------
    #: The walk from a frame to T_l and T_u goes in steps of this many frames (release; 1 for 5-fps material) ...
    fragment_step: int = 2
    #: ... stays nearer than this (release: 320; 220 for LaSOT and YouTube-VOS) ...
    fragment_reach: int = 320
    #: ... and goes on while IoU - weight * d^2 / c^2 of neighbours is at least theta_2 and Q_f is above theta_3 (release).
    fragment_distance_weight: float = 2.5
    fragment_min_reward: float = 0.45
    fragment_min_quality: float = 0.40
    #: The two ends are drawn in by this many frames (release: half a step; paper: 0).
    fragment_trim: int = 0

    # --- centrality ---------------------------------------------------------------------------------------------------------------------
    #: Cap of the bonus per axis, a share of the cut frame's side (release).
    centrality_cap: float = 0.1

    # --- several objects (of this project) ----------------------------------------------------------------------------------------------
    #: Most tracks per window; paper and release: 1.
    objects_per_clip: int = 1
    #: Candidates that overlap an earlier track of the window by more than this are taken out before the next one is sought. The overlap is
    #: the intersection over the smaller of the two boxes, because a second mask often gives a part of the same object.
    suppress_overlap: float = 0.3
    #: Rectangles of one frame with a higher IoU than this count once; 1 keeps all.
    candidate_nms: float = 1.0
    #: Cut a track to its picks and one gap on each side, for objects that come and go. Q_v then counts evaluated frames of the cut track.
    trim_ends: bool = False
    #: Fewest picks of a track.
    min_picks: int = 1

    # --- masks (of this project) --------------------------------------------------------------------------------------------------------
    #: Keep the motion mask inside each picked box in the table, for trackers that learn masks (CycleSiam+).
    store_masks: bool = False

    def __post_init__(self) -> None:
        for name in ('flow_size_wh', 'alphas', 'end_noise_min_px'):
            if isinstance(getattr(self, name), list):  # JSON and command lines have no tuples
                object.__setattr__(self, name, tuple(getattr(self, name)))
        check_values(self)
        if self.interval_min > self.interval_max or not self.interval_min <= self.interval_start <= self.interval_max:
            raise ValueError(
                'discovery config: interval_min <= interval_start <= interval_max is needed, got '
                f'{self.interval_min}, {self.interval_start}, {self.interval_max}'
            )
        if self.window_frames is not None and self.window_frames < 2 * self.eval_gap_frames + 1:
            raise ValueError(
                f'discovery config: window_frames must be at least 2 eval_gap_frames + 1 = {2 * self.eval_gap_frames + 1}, '
                f'got {self.window_frames}'
            )
        object.__setattr__(self, 'flow', dict(self.flow))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DiscoveryConfig:
        """The config of a mapping, for example ``discovery = dict(...)`` of a config file; what it leaves out keeps its default.

        Raises:
            ValueError: A key is unknown (the nearest known one is named) or a value out of range.
        """
        known = [f.name for f in fields(cls)]
        for key in values:
            if key not in known:
                raise ValueError(f"discovery config: unknown key '{key}'{nearest_name(str(key), known)}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; :meth:`from_dict` of it gives an equal config."""
        values = {key: _plain(value) for key, value in asdict(self).items()}
        if not self.store_masks:  # tables of versions that did not know this key go on
            del values['store_masks']
        return values


def _plain(value: Any) -> Any:
    """Tuples as lists and mappings as dicts, all the way down."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
