"""Every number of moving-object discovery, in one place.

"Paper" is USOT (Zheng et al., ICCV 2021); "release" is the implementation its authors published.
Where the two differ the default is the release's number, because the published results come from
it, and the field's comment names the paper's. A switch of this project (neither in the paper nor in
the release) says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .._moved import DISCOVERY_KEYS, rename_keys
from .config_rules import (
    NUMBER,
    POSITIVE,
    SHARE,
    SWITCH,
    Rule,
    Settings,
    count,
    group,
    or_none,
    row_of,
    setting,
    settings_from,
)

PIXEL_UNITS = ('flow', 'frame')
_FLOW = Rule("a dict with a 'type'", lambda v: isinstance(v, Mapping) and bool(v.get('type')))
_MARGIN = Rule('in [0, 0.5)', lambda v: SHARE.test(v) and v < 0.5)
_SIDES = row_of(count(16), 'two sides of at least 16 pixels', 2)


@dataclass(frozen=True)
class MapConfig(Settings):
    """The picture that flow is computed on, and what is cut off it."""

    #: Frames are shrunk to fit in this width and height (aspect kept, never enlarged) before flow.
    #: Release: ARFlow input of 640 x 384.
    size_wh: tuple[int, int] = setting((640, 384), _SIDES)
    #: Pixels that all ``_px`` fields count: 'flow' = of the shrunk frame, so that one setting means
    #: the same for a 720p and a 4K copy of a clip; 'frame' = of the full frame (release, which
    #: rescales flow and map to it).
    pixel_unit: str = setting('flow', Rule(f'one of {PIXEL_UNITS}', lambda v: v in PIXEL_UNITS))
    #: Share of each side of the flow map that is cut off (release).
    margin: float = setting(1 / 32, _MARGIN)


@dataclass(frozen=True)
class FramesConfig(Settings):
    """Which frames of a clip are looked at."""

    #: Flow is evaluated at frames g, 2g, 3g ... that have g frames after them (release; 1 for
    #: material of about 5 fps).
    eval_gap: int = setting(3, count(1))
    #: Only this many frames from the start of a clip are looked at; None for all (release: 2000,
    #: none for LaSOT).
    max_count: int | None = setting(2000, or_none(count(1)))
    #: Long clips are cut into windows of this many frames, each discovered on its own; None for one
    #: window (release: 200 for LaSOT).
    window: int | None = setting(None, or_none(count(1)))
    #: Every window but the last runs on for this many frames into the next (release: 20 for LaSOT).
    window_overlap: int = setting(20, count(0))

    def __post_init__(self) -> None:
        super().__post_init__()
        least = 2 * self.eval_gap + 1
        if self.window is not None and self.window < least:
            self.refuse('window', f'must be at least 2 eval_gap + 1 = {least}, got {self.window}')


@dataclass(frozen=True)
class IntervalConfig(Settings):
    """The flow interval ``T_f``, in frames."""

    #: T_f of the first evaluated frame; later frames start from the value of the frame before
    #: (release).
    start: int = setting(4, count(1))
    #: Least and greatest T_f (release).
    min: int = setting(1, count(1))
    max: int = setting(7, count(1))
    #: T_f falls while the largest flow component is above the first and rises while it is below the
    #: second (release).
    fast_px: float = setting(16.0, POSITIVE)
    slow_px: float = setting(8.0, POSITIVE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.min <= self.start <= self.max:
            given = f'{self.min}, {self.start}, {self.max}'
            self.refuse('start', f'must be between min and max: min <= start <= max, got {given}')


@dataclass(frozen=True)
class CandidatesConfig(Settings):
    """From the distance map to the candidate boxes of a frame."""

    #: One mask per alpha: D >= alpha max(D) + (1 - alpha) mean(D). Paper: 0.3 alone; release: 0.3
    #: and 0.16.
    alphas: tuple[float, ...] = setting((0.3, 0.16), row_of(SHARE, 'one or more numbers in [0, 1]'))
    #: A frame has candidates only if mean(D) is below the first or max(D) / mean(D) above the
    #: second (release; paper: always, which ``gate_mean_px=float('inf')`` gives).
    gate_mean_px: float = setting(0.05, POSITIVE)
    gate_peak_ratio: float = setting(2.5, POSITIVE)
    #: ... and max(D) is above this. Of this project: what moves less over T_f frames is noise of
    #: the flow, not an object.
    min_peak_px: float = setting(0.5, POSITIVE)
    #: Connected areas and holes smaller than this are removed from a mask (release).
    min_region_px: float = setting(80.0, POSITIVE)
    #: A rectangle is dropped if a side is below this share of the cut map's side ...
    min_side_ratio: float = setting(0.02, SHARE)
    #: ... its area is below this, or one side is more than ``max_aspect`` times the other (release)
    min_area_px: float = setting(50.0, POSITIVE)
    max_aspect: float = setting(6.0, POSITIVE)
    #: ... or it lies within ``border_px`` of a border and spans more than this share of it
    #: (release).
    max_border_span: float = setting(0.7, SHARE)
    border_px: float = setting(15.0, POSITIVE)
    #: beta of the score, paper Eq. 2.
    centre_weight: float = setting(0.5, POSITIVE)
    #: Factor for the rectangle that holds the maximum of D, and for each axis on which it lies
    #: within ``border_px`` of a border (release).
    peak_factor: float = setting(2.0, POSITIVE)
    border_factor: float = setting(0.5, POSITIVE)
    #: Best rectangles kept per mask (paper and release: 1).
    per_mask: int = setting(1, count(1))
    #: Rectangles of one frame with a higher IoU than this count once; 1 keeps all (of this
    #: project).
    nms: float = setting(1.0, SHARE)


@dataclass(frozen=True)
class TrajectoryConfig(Settings):
    """The path through the candidates."""

    #: gamma of the transition reward IoU - gamma d^2 / c^2, paper Eq. 3 (value: release).
    distance_weight: float = setting(4.1, POSITIVE)
    #: Negative rewards are multiplied by this (release).
    negative_factor: float = setting(3.0, POSITIVE)
    #: K, the reward of each picked candidate (release).
    pick_reward: float = setting(0.091, NUMBER)
    #: A candidate may follow any of this many candidates of earlier frames; None for no bound.
    link_candidates: int | None = setting(100, or_none(count(1)))
    #: ... and only those of this many earlier frames that have candidates; None for no bound
    #: (release: 100, without the bound above).
    link_frames: int | None = setting(None, or_none(count(1)))
    #: No link below this reward; None for no bound (of this project; paper and release: any link,
    #: so a path may jump to another object).
    min_link_reward: float | None = setting(None, or_none(NUMBER))


@dataclass(frozen=True)
class FillConfig(Settings):
    """Boxes of the frames that have no pick."""

    #: Swap the two weights of the interpolation between picks, a slip of the release that its
    #: authors kept for comparability.
    legacy: bool = setting(False, SWITCH)
    #: Half width of the uniform noise on the boxes before the first and after the last pick
    #: (release: 3; 0 for none).
    end_noise_px: float = setting(0.0, POSITIVE)
    #: The noise is left out where the box's smallest coordinate is below this, before the first and
    #: after the last pick (release).
    end_noise_min_px: tuple[float, float] = setting((75.0, 50.0), row_of(NUMBER, 'two numbers', 2))
    #: Seed of that noise; nothing else here is random.
    seed: int = setting(0, count(0))


@dataclass(frozen=True)
class QualityConfig(Settings):
    """How far a track is trusted, and which tracks are kept and sampled."""

    #: Q_f counts picks within this many evaluated frames on each side (release: 3, its authors also
    #: tried 10; paper: T_s).
    radius: int = setting(3, count(0))
    #: A box touches a border of the cut frame if it is nearer than this (release).
    corner_tolerance_px: float = setting(10.0, POSITIVE)
    #: Weight of a box that touches one border; one that touches a vertical and a horizontal border
    #: weighs 1 (release).
    edge_weight: float = setting(0.3, SHARE)
    #: A track is dropped if Q_v is below, the corner share above, or Q_v - discount * corner share
    #: below these (release).
    min_sequence_quality: float = setting(0.35, NUMBER)
    max_corner_share: float = setting(0.4, SHARE)
    min_value: float = setting(0.33, NUMBER)
    corner_discount: float = setting(1 / 3, SHARE)
    #: A track is sampled from only if its value reaches theta_1 and its corner share is below the
    #: second (release).
    sample_min_value: float = setting(0.40, NUMBER)
    sample_max_corner_share: float = setting(0.25, SHARE)
    #: Cap of the centrality bonus per axis, a share of the cut frame's side (release).
    centrality_cap: float = setting(0.1, SHARE)


@dataclass(frozen=True)
class FragmentsConfig(Settings):
    """The stretch around a frame in which the boxes follow one object, ``T_l`` to ``T_u``."""

    #: The walk from a frame to T_l and T_u goes in steps of this many frames (release; 1 for 5-fps
    #: material) ...
    step: int = setting(2, count(1))
    #: ... stays nearer than this (release: 320; 220 for LaSOT and YouTube-VOS) ...
    reach: int = setting(320, count(1))
    #: ... and goes on while IoU - weight * d^2 / c^2 of neighbours is at least theta_2 and Q_f is
    #: above theta_3 (release).
    distance_weight: float = setting(2.5, POSITIVE)
    min_reward: float = setting(0.45, NUMBER)
    min_quality: float = setting(0.40, NUMBER)
    #: The two ends are drawn in by this many frames (release: half a step; paper: 0).
    trim: int = setting(0, count(0))


@dataclass(frozen=True)
class ObjectsConfig(Settings):
    """Several objects in one clip (of this project)."""

    #: Most tracks per window; paper and release: 1.
    per_clip: int = setting(1, count(1))
    #: Candidates that overlap an earlier track of the window by more than this are taken out before
    #: the next one is sought. The overlap is the intersection over the smaller of the two boxes,
    #: because a second mask often gives a part of the same object.
    suppress_overlap: float = setting(0.3, SHARE)
    #: Cut a track to its picks and one gap on each side, for objects that come and go. Q_v then
    #: counts evaluated frames of the cut track.
    trim_ends: bool = setting(False, SWITCH)
    #: Fewest picks of a track.
    min_picks: int = setting(1, count(1))


@dataclass(frozen=True)
class DiscoveryConfig(Settings):
    """What turns a clip into pseudo tracks; it travels in the metadata of the pseudo-box table.

    Lengths and areas whose name ends in ``_px`` count pixels of the picture that
    ``map.pixel_unit`` names.

    Raises:
        ValueError: A value is out of range; the message names the field.
    """

    #: Flow estimator, built through the ``TASK_UTILS`` registry. Release: ARFlow; DIS runs on any
    #: CPU without weights.
    flow: dict[str, Any] = field(
        default_factory=lambda: dict(type='DISFlow', preset='fast'), metadata={'rule': _FLOW}
    )
    map: MapConfig = group(MapConfig)
    frames: FramesConfig = group(FramesConfig)
    interval: IntervalConfig = group(IntervalConfig)
    candidates: CandidatesConfig = group(CandidatesConfig)
    trajectory: TrajectoryConfig = group(TrajectoryConfig)
    fill: FillConfig = group(FillConfig)
    quality: QualityConfig = group(QualityConfig)
    fragments: FragmentsConfig = group(FragmentsConfig)
    objects: ObjectsConfig = group(ObjectsConfig)
    #: Keep the motion mask inside each picked box in the table, for trackers that learn masks
    #: (CycleSiam+; of this project).
    store_masks: bool = setting(False, SWITCH)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, 'flow', dict(self.flow))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DiscoveryConfig:
        """The config of a mapping, for example ``discovery = dict(...)`` of a config file.

        What the mapping leaves out keeps its default. Keys of the release before are read with a
        warning.

        Raises:
            ValueError: A key is unknown (the nearest known one is named) or a value out of range.
        """
        return cls(**settings_from(cls, rename_keys(values, DISCOVERY_KEYS, 'discovery config')))

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; :meth:`from_dict` of it gives an equal config."""
        values = _plain(asdict(self))
        if not self.store_masks:  # tables of versions that did not know this key go on
            del values['store_masks']
        return values


def _plain(value: Any) -> Any:
    """Tuples as lists and mappings as dicts, all the way down."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value
