"""Draws tested sequences with whatever visualizer the config names."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from usot_plugin.datasets.benchmarks import AnnotatedSequence
from usot_plugin.registry import HOOKS
from usot_plugin.structures.boxes import is_valid
from usot_plugin.utils.atomic import whole_file
from usot_plugin.utils.names import path_below


def as_instances(box_xyxy: np.ndarray, name: str, score: float | None = None) -> InstanceData:
    """One box, or none where it is nan, as the host's visualizers take it."""
    boxes = box_xyxy[None][is_valid(box_xyxy[None])]
    fields: dict[str, Any] = {
        'bboxes': torch.as_tensor(boxes, dtype=torch.float32),
        'labels': torch.zeros(len(boxes), dtype=torch.long),
        'instances_id': torch.zeros(len(boxes), dtype=torch.long),
        'label_names': [name] * len(boxes),
    }
    if score is not None:
        fields['scores'] = torch.full((len(boxes),), float(score))
    return InstanceData(**fields)


@HOOKS.register_module()
class SOTVisualizationHook(Hook):
    """After a test, draws tracked and annotated boxes of every sequence.

    ``DetLocalVisualizer`` and ``TrackLocalVisualizer`` of mmdet get a ``DetDataSample`` (annotation
    left, prediction right, their form); MMEngine's plain ``Visualizer`` draws both boxes into one
    picture, the prediction green, the annotation white.

    Args:
        interval: Every so many frames of a sequence, the first one included.
        out_dir: Pictures go to ``<out_dir>/<tracker>/<sequence>/<frame>.jpg``, a relative folder
            lies in the work dir; None hands them to the visualizer's own back ends as
            ``<tracker>_<sequence>``.
        score_thr: Predictions below are not drawn, where the visualizer knows scores.

    Raises:
        ValueError: ``interval`` is not positive.
    """

    def __init__(
        self, interval: int = 50, out_dir: str | Path | None = 'pictures', score_thr: float = 0.0
    ) -> None:
        if interval < 1:
            raise ValueError(f'SOTVisualizationHook: interval must be positive, got {interval}')
        self.interval, self.out_dir, self.score_thr = interval, out_dir, score_thr

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Sequence[AnnotatedSequence] | None = None,
        outputs: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Draw the sequences of this batch."""
        for sequence, sample in zip(data_batch or (), outputs or (), strict=True):
            if 'boxes_xyxy' not in sample:
                print_log(
                    f'{sequence.name}: this protocol gives no box for each frame, nothing is drawn',
                    'current',
                    logging.WARNING,
                )
                continue
            for index in range(0, len(sequence), self.interval):
                self._draw(runner, sequence, sample, index)

    def _draw(
        self, runner: Runner, sequence: AnnotatedSequence, sample: Mapping[str, Any], index: int
    ) -> None:
        image = np.ascontiguousarray(sequence.clip.read(index)[..., ::-1])
        tracked, annotated = np.asarray(sample['boxes_xyxy'][index]), sequence.boxes_xyxy[index]
        score = float(sample['scores'][index]) if 'scores' in sample else 1.0
        name, out_file = (
            f'{sample["tracker"]}_{sequence.name}',
            None,
        )  # a local back end makes no folder for a name with a slash
        if self.out_dir is not None:
            folder = Path(runner.work_dir, self.out_dir, sample['tracker'])
            out_file = path_below(folder, sequence.name, 'sequence') / f'{index:06d}.jpg'
        visualizer = runner.visualizer
        if type(visualizer).add_datasample is Visualizer.add_datasample:
            draw_plain(visualizer, name, image, tracked, annotated, out_file, index)
            return
        from mmdet.structures import DetDataSample  # a visualizer of mmdet is there, so mmdet is

        predicted = as_instances(tracked, sample['tracker'], score)
        data_sample = DetDataSample(
            pred_instances=predicted,
            pred_track_instances=predicted,
            gt_instances=as_instances(annotated, 'annotation'),
        )
        path = None if out_file is None else str(out_file)
        visualizer.add_datasample(
            name, image, data_sample, pred_score_thr=self.score_thr, out_file=path, step=index
        )


def draw_plain(
    visualizer: Visualizer,
    name: str,
    image: np.ndarray,
    tracked: np.ndarray,
    annotated: np.ndarray,
    out_file: Path | None,
    step: int,
) -> None:
    """Both boxes ``(4,)`` into an RGB image with the tools of MMEngine's own visualizer; to a file
    or to its back ends."""
    visualizer.set_image(image)
    for box, color in ((annotated, 'w'), (tracked, 'g')):
        if is_valid(box):
            visualizer.draw_bboxes(torch.as_tensor(box[None]), edge_colors=color, line_widths=2)
    drawn = visualizer.get_image()
    if out_file is None:
        visualizer.add_image(name, drawn, step)
        return
    with whole_file(out_file) as temporary:
        temporary.write_bytes(cv2.imencode('.jpg', drawn[..., ::-1])[1].tobytes())
