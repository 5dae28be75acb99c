"""The host's way to use a trained model: an inferencer that takes videos and first boxes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.infer import BaseInferencer
from mmengine.structures import BaseDataElement, InstanceData

from usot_plugin.registry import INFERENCERS
from usot_plugin.structures.boxes import own_boxes
from usot_plugin.structures.clip import ArrayClip, Clip, open_clip
from usot_plugin.structures.trajectory import Prediction
from usot_plugin.tracking import Tracker
from usot_plugin.utils.atomic import write_text
from usot_plugin.utils.config import ConfigError, load_config, nearest
from usot_plugin.utils.names import path_below
from usot_plugin.utils.old_configs import old_config
from usot_plugin.visualization.overlay import draw_targets
from usot_plugin.visualization.video_writer import VideoWriter

from ..tracking.box_input import InputError, check_boxes_in_frame, has_display
from ..tracking.online import as_bgr_u8
from .inference import init_tracker
from .known_models import all_weights, known_models, model_weights, shipped_names
from .packed_weights import DEFAULT_PRETRAINED, carried_config, pretrained_path

#: A clip with the boxes ``(B, 4)`` of its first frame.
Task = tuple[Clip, np.ndarray]
#: A clip with the predictions of its frames.
Followed = tuple[Clip, list[Prediction]]


@INFERENCERS.register_module()
class SOTInferencer(BaseInferencer):
    """Follows targets through clips, called like the inferencers of the host.

    Example:
        >>> inferencer = SOTInferencer()  # the weights that ship with the package
        >>> result = inferencer('video.mp4', init_boxes=[120, 80, 180, 120], out_dir='demo')
        >>> (prediction,) = result['predictions']
        >>> prediction['boxes_xyxy']  # a list of boxes, one for each target, for every frame

    Args:
        model: Name of weights that ship with the package (``'usot_mobile'``), config file, config,
            or a name in ``model-index.yml`` (``'usot_r50'``).
        weights: Checkpoint; needed with a config, and with a name whose weights do not ship. The
            word ``'none'`` asks for random ones.
        device: Where the model runs; the GPU if there is one by default.
        scope: Not used by this package; all its names are in MMEngine's root registries.
        show_progress: Show a bar over the batches of clips.

    Raises:
        ConfigError: No such model, a config that cannot be read, or no weights for it.
        CheckpointError: The weights cannot be read or belong to another model.
    """

    preprocess_kwargs = {'init_boxes'}
    visualize_kwargs = {'show', 'out_dir', 'return_vis'}
    postprocess_kwargs = {'pred_out_file'}

    tracker: Tracker

    def __init__(
        self,
        model: str | Path | Config | ConfigDict | dict | None = None,
        weights: str | Path | None = None,
        device: str | torch.device | None = None,
        scope: str | None = 'usot_plugin',
        show_progress: bool = False,
    ) -> None:
        cfg, weights = resolve_model(model, weights)
        super().__init__(
            cfg, None if weights is None else str(weights), device, scope, show_progress
        )

    def __call__(
        self,
        inputs: Any,
        return_datasamples: bool = False,
        batch_size: int = 1,
        init_boxes: Any = None,
        **kwargs: Any,
    ) -> dict[str, list]:
        """Follow targets through one or several clips.

        Args:
            inputs: A clip, or a list of clips. A clip is a video file, a folder of images, a ``(T,
                H, W, 3)`` BGR array, a list of ``(H, W, 3)`` BGR arrays (its frames), or a
                :class:`Clip`.
            return_datasamples: Give the predictions as one ``BaseDataElement`` a frame, with
                ``pred_track_instances`` as in mmdet, instead of plain numbers.
            batch_size: Clips that are tracked as one batch; the boxes are the same.
            init_boxes: ``(4,)`` or ``(B, 4)`` xyxy boxes in the first frame; for a list of clips
                one such entry a clip.
            **kwargs: ``show`` (open a window), ``out_dir`` (folder for overlay videos),
                ``return_vis`` (return the drawn frames, RGB), ``pred_out_file`` (JSON file for all
                predictions).

        Returns:
            ``predictions``: for each clip a dict with ``clip``, ``size_wh``, ``fps``, ``boxes_xyxy
            (T, B, 4)``, ``scores (T, B)`` and ``lost (T, B)`` as lists. ``visualization``: for each
            clip its drawn frames, empty without ``return_vis``.

        Raises:
            InputError: No box, a box outside its frame, or not one entry a clip.
            ClipError: A clip cannot be read.
        """
        return super().__call__(
            inputs, return_datasamples, batch_size, init_boxes=init_boxes, **kwargs
        )

    def _init_model(self, cfg: Config, weights: str | None, device: Any = 'cpu') -> Any:
        self.tracker = init_tracker(cfg, weights, device)
        return getattr(self.tracker, 'model', None)

    def _init_pipeline(self, cfg: Config) -> Any:
        return as_clip

    def _init_collate(self, cfg: Config) -> Any:
        return list

    def _init_visualizer(self, cfg: Config) -> None:
        """None: a visualizer of the host draws no lost targets and no masks."""

    def _inputs_to_list(self, inputs: Any) -> list:
        several = isinstance(inputs, list | tuple) and not (inputs and _is_image(inputs[0]))
        return [
            as_clip(clip, number) for number, clip in enumerate(inputs if several else [inputs])
        ]

    def preprocess(
        self, inputs: Sequence[Clip], batch_size: int = 1, init_boxes: Any = None, **kwargs: Any
    ) -> Iterator[list[Task]]:
        """Batches of clips with their first boxes."""
        if batch_size < 1:
            raise InputError(f'batch_size has to be positive, got {batch_size}')
        if init_boxes is None:
            raise InputError(
                'init_boxes is missing: the boxes x1, y1, x2, y2 of the targets in the first frame'
            )
        per_clip = [init_boxes] if len(inputs) == 1 and _depth(init_boxes) < 3 else list(init_boxes)
        if len(per_clip) != len(inputs):
            raise InputError(f'init_boxes has {len(per_clip)} entries for {len(inputs)} clips')
        tasks = []
        for clip, given in zip(inputs, per_clip, strict=True):
            check_boxes_in_frame(given, clip.size_wh, str(clip.path))
            tasks.append((clip, own_boxes(given)))
        yield from self._get_chunk_data(tasks, batch_size)

    def forward(self, inputs: Sequence[Task], **kwargs: Any) -> list[Followed]:
        """Predictions of every frame of each clip; the clips of a batch go forward side by side."""
        found = follow_clips(self.tracker, inputs)
        return [(clip, predictions) for (clip, _), predictions in zip(inputs, found, strict=True)]

    def visualize(
        self,
        inputs: Sequence[Clip],
        preds: Sequence[Followed],
        show: bool = False,
        out_dir: str | Path = '',
        return_vis: bool = False,
        **kwargs: Any,
    ) -> list[list[np.ndarray]]:
        """Draw the predictions into the frames; clips are read once more for it."""
        if show and not has_display():
            raise InputError('show=True needs a display (DISPLAY is not set)')
        drawn: list[list[np.ndarray]] = []
        for (clip, predictions), path in zip(preds, video_files(out_dir, inputs), strict=True):
            pictures = draw_frames(clip, predictions) if show or out_dir or return_vis else iter(())
            if out_dir:
                pictures = write_frames(pictures, path, clip.fps)
            kept = []
            for picture in pictures:
                if show:
                    cv2.imshow('SOTInferencer', picture)
                    cv2.waitKey(1)
                if return_vis:
                    kept.append(np.ascontiguousarray(picture[..., ::-1]))
            drawn.append(kept)
        return drawn

    def postprocess(
        self,
        preds: Sequence[Followed],
        visualization: list[list[np.ndarray]],
        return_datasample: bool = False,
        pred_out_file: str | Path = '',
        **kwargs: Any,
    ) -> dict[str, list]:
        """Pack predictions and pictures; see :meth:`__call__`."""
        plain = [as_numbers(clip, predictions) for clip, predictions in preds]
        if pred_out_file:
            write_text(pred_out_file, json.dumps(plain) + '\n')
        packed = (
            [as_datasamples(clip, predictions) for clip, predictions in preds]
            if return_datasample
            else plain
        )
        return {'predictions': packed, 'visualization': visualization}

    @staticmethod
    def list_models(
        scope: str | None = 'usot_plugin', patterns: str = r'.*', weights: bool = False
    ) -> list[str] | dict[str, str]:
        """Names that ``model`` takes, beside files; see :meth:`BaseInferencer.list_models`.

        Args:
            scope: Not used, see the class.
            patterns: A regular expression that the names begin with.
            weights: Return a dict from each name to where its weights are: ``'shipped'``,
                ``'trained here'``, ``'to convert'`` or ``'to train'``. Only shipped names
                track without ``weights`` of your own.
        """
        found = {one.name: one.state for one in all_weights() if re.match(patterns, one.name)}
        return found if weights else list(found)


def resolve_model(model: Any, weights: str | Path | None) -> tuple[Any, str | Path | None]:
    """Config and weights of what a user names.

    Args:
        model: See :class:`SOTInferencer`.
        weights: Of the user; they win.

    Raises:
        ConfigError: No such model, or its weights are neither given nor here.
    """
    if model is None or str(model) in shipped_names():
        weights = (
            weights
            if weights is not None
            else pretrained_path(DEFAULT_PRETRAINED if model is None else str(model))
        )
        return carried_config(weights), weights
    if not isinstance(model, str | Path):
        return model, weights
    if Path(model).suffix == '.py' or Path(model).is_file():
        return load_config(model), weights
    known = known_models()
    if str(model) not in known and (old := old_config(model)):
        return load_config(old), weights
    if str(model) not in known:
        raise ConfigError(
            f'{model}: neither a config file nor a model of this '
            f'package{nearest(str(model), known)}'
        )
    config = known[str(model)]['Config']
    if weights is None:
        raise ConfigError(model_weights(str(model), config).refusal())
    return load_config(config), weights


def _depth(value: Any) -> int:
    """Dimensions of nested lists, arrays and tensors."""
    if isinstance(value, np.ndarray | torch.Tensor):
        return value.ndim
    return (
        1 + max((_depth(one) for one in value), default=0) if isinstance(value, list | tuple) else 0
    )


def _is_image(value: Any) -> bool:
    return isinstance(value, np.ndarray | torch.Tensor) and (
        value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (1, 3, 4))
    )


def as_clip(value: Any, number: int = 0) -> Clip:
    """What a user calls a clip; see :meth:`SOTInferencer.__call__`.

    Raises:
        ClipError: Nothing there, or nothing that can be read.
        InputError: No frame, or frames of different sizes.
    """
    if isinstance(value, Clip):
        return value
    if isinstance(value, str | Path):
        return open_clip(value)
    frames = [as_bgr_u8(frame) for frame in value]
    if not frames or len({frame.shape for frame in frames}) != 1:
        raise InputError(f'clip {number}: needs frames of one size, got {len(frames)} frames')
    return ArrayClip(np.stack(frames), f'clip_{number}')


def follow_clips(tracker: Tracker, tasks: Sequence[Task]) -> list[list[Prediction]]:
    """Follow the targets of several clips as one batch, frame by frame; a clip that ends leaves it.

    Returns:
        For each clip a prediction a frame, the given boxes first.
    """
    readers = [clip.iter_frames() for clip, _ in tasks]
    counts = [len(boxes) for _, boxes in tasks]
    firsts = [next(reader)[1] for reader in readers]
    state = tracker.init(_repeated(firsts, counts), np.concatenate([boxes for _, boxes in tasks]))
    found = [
        [Prediction(boxes.copy(), np.ones(len(boxes)), np.zeros(len(boxes), bool))]
        for _, boxes in tasks
    ]
    active = list(range(len(tasks)))
    while True:
        frames = {
            index: frame
            for index in active
            if (frame := next(readers[index], (0, None))[1]) is not None
        }
        if not frames:
            return found
        if len(frames) < len(active):
            owners = [index for index in active for _ in range(counts[index])]
            state = tracker.select(
                state, [place for place, index in enumerate(owners) if index in frames]
            )
            active = list(frames)
        prediction, state = tracker.update(
            _repeated(list(frames.values()), [counts[index] for index in active]), state
        )
        begin = 0
        for index in active:
            found[index].append(_part(prediction, slice(begin, begin + counts[index])))
            begin += counts[index]


def _repeated(frames: Sequence[np.ndarray], counts: Sequence[int]) -> list[np.ndarray]:
    return [frame for frame, count in zip(frames, counts, strict=True) for _ in range(count)]


def _part(prediction: Prediction, targets: slice) -> Prediction:
    regions = None if prediction.regions is None else list(prediction.regions)[targets]
    return Prediction(
        prediction.boxes_xyxy[targets],
        prediction.scores[targets],
        prediction.lost[targets],
        regions,
    )


def draw_frames(clip: Clip, predictions: Sequence[Prediction]) -> Iterator[np.ndarray]:
    """The frames of a clip with its predictions, BGR."""
    for (index, frame), found in zip(clip.iter_frames(), predictions, strict=True):
        yield draw_targets(
            frame,
            found.boxes_xyxy,
            found.scores,
            found.lost,
            caption=f'frame {index}',
            regions=found.regions,
        )


def write_frames(frames: Iterator[np.ndarray], path: Path, fps: float) -> Iterator[np.ndarray]:
    """The same frames, which go into a video on their way."""
    with VideoWriter(path, fps) as writer:
        for frame in frames:
            writer.write(frame)
            yield frame


def video_files(out_dir: str | Path, clips: Sequence[Clip]) -> list[Path]:
    """A file for the video of each clip; clips of equal names get a number.

    Raises:
        InputError: A file is the clip itself.
    """
    files: list[Path] = []
    for clip in clips:
        same = sum(other.name == clip.name for other in clips[: len(files)])
        path = path_below(
            out_dir, f'{clip.name}_{same}.mp4' if same else f'{clip.name}.mp4', 'clip'
        )
        if out_dir and path.exists() and clip.path.exists() and path.samefile(clip.path):
            raise InputError(f'{path}: the result would replace it; choose another out_dir')
        files.append(path)
    return files


def as_numbers(clip: Clip, predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Predictions of a clip as plain lists, for JSON."""
    columns = {
        name: [getattr(found, name).tolist() for found in predictions]
        for name in ('boxes_xyxy', 'scores', 'lost')
    }
    return {'clip': str(clip.path), 'size_wh': list(clip.size_wh), 'fps': clip.fps, **columns}


def as_datasamples(clip: Clip, predictions: Sequence[Prediction]) -> list[BaseDataElement]:
    """Predictions of a clip, a data element a frame; the names inside are mmdet's."""
    width, height = clip.size_wh
    samples = []
    for index, found in enumerate(predictions):
        ids = torch.arange(len(found.scores))
        instances = InstanceData(
            bboxes=torch.as_tensor(found.boxes_xyxy, dtype=torch.float32),
            scores=torch.as_tensor(found.scores, dtype=torch.float32),
            labels=torch.zeros_like(ids),
            instances_id=ids,
            lost=torch.as_tensor(found.lost),
        )
        metainfo = dict(clip=str(clip.path), frame_id=index, ori_shape=(height, width))
        samples.append(BaseDataElement(metainfo=metainfo, pred_track_instances=instances))
    return samples
