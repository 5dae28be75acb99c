"""Need for Speed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from usot_plugin.registry import DATASETS

from .annotations import AnnotationError, read_lines
from .box_files import BoxFileBenchmark, SequenceFiles
from .sequence_lists import read_list

ANNOTATED_FPS = 240
#: Columns of a line after the track's number: the box's corners, frame, lost, occluded, generated;
#: then the class name in quotes.
COLUMNS = 9


@DATASETS.register_module()
class NFSDataset(BoxFileBenchmark):
    """``ROOT/<sequence>/<fps>/{<sequence>/*.jpg, <sequence>.txt}``, the archives that the
    benchmark's page offers for download.

    Annotation files hold 240 lines a second. At 30 frames per second every eighth counts; there,
    frames and lines may differ by one at the end, which is left out. The target is absent where it
    is marked as lost. ``frame_attributes``: ``occluded``.

    Subsets: '30' and '240' frames per second.
    """

    SUBSETS = {'30': 'NfS 30 fps', '240': 'NfS 240 fps'}
    METAINFO = {'convention': 'otb_matlab'}
    #: Annotated with VATIC, which counts pixels from 0.
    origin = 0

    def find_names(self) -> list[str]:
        return [row[0] for row in read_list('nfs')]

    def files_of(self, name: str) -> SequenceFiles:
        folder = self.data_root / name / self.subset
        return SequenceFiles(folder / name, folder / f'{name}.txt', fps=float(self.subset))

    def frame_names(self, files: SequenceFiles) -> list[str]:
        frames = super().frame_names(files)
        lines = len(self._rows(files))
        return frames[:lines] if lines == len(frames) - 1 else frames

    def read_boxes(self, files: SequenceFiles) -> np.ndarray:
        rows = self._rows(files)
        boxes = np.where(rows[:, 6:7] > 0, np.nan, rows[:, 1:5])
        if (boxes[:, 2:] < boxes[:, :2]).any():
            line = int(np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(1))[0])
            raise AnnotationError(
                files.annotation,
                f'negative width or height of box {line + 1}: {boxes[line].tolist()}',
            )
        return boxes

    def read_frame_attributes(self, files: SequenceFiles) -> Mapping[str, np.ndarray]:
        return {'occluded': self._rows(files)[:, 7] > 0}

    def _rows(self, files: SequenceFiles) -> np.ndarray:
        """Numbers of the lines of the evaluated frames, ``(T, 9)``."""
        rows = []
        for number, line in enumerate(read_lines(files.annotation), 1):
            try:
                rows.append([float(value) for value in line.split(maxsplit=COLUMNS)[:COLUMNS]])
            except ValueError as error:
                raise AnnotationError(
                    files.annotation, f'not a number ({error})', number
                ) from error
            if len(rows[-1]) < COLUMNS:
                raise AnnotationError(
                    files.annotation,
                    f'a line has {COLUMNS} numbers and a class, got {len(rows[-1])} numbers',
                    number,
                )
        frames = len(self._numbered(files.frames)) if files.frames.is_dir() else 0
        step = ANNOTATED_FPS // int(self.subset)
        if step > 1 and len(rows) > 2 * frames:
            rows = rows[::step]
        if len(rows) == frames + 1:
            rows = rows[:frames]
        return np.array(rows, np.float64)
