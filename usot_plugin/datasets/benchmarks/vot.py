"""VOT challenges: rectangles, polygons or masks, attributes of single frames, anchors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from usot_plugin.registry import DATASETS
from usot_plugin.structures.regions import Region, parse_region

from .annotations import AnnotationError, parse_labels, read_lines, read_rows
from .box_files import BoxFileBenchmark, SequenceFiles

#: Line of a ``sequence`` file that says where the frames are.
COLOR_KEY = 'channels.color'
#: Where the frames are when there is no such file: in ``color/`` since VOT2018, before that beside
#: the annotation.
COLOR_FOLDER = 'color'


@DATASETS.register_module()
class VOTDataset(BoxFileBenchmark):
    """``ROOT/{list.txt, <sequence>/{groundtruth.txt, *.tag, anchor.value, sequence,
    [color/]%08d.jpg}}``, the toolkit's own folder.

    ``regions`` holds what ``groundtruth.txt`` says (None = absent), ``boxes_xyxy`` their bounding
    boxes, ``frame_attributes`` the tags, ``anchors`` the values of ``anchor.value`` rounded to
    their sign, where there is such a file. The name of the challenge comes from
    ``metainfo=dict(dataset_name='VOT2018')``.

    Raises:
        AnnotationError: ``list.txt`` is missing.
    """

    SUBSETS = {'all': 'VOT'}
    COUNTS = {'all': 60}
    METAINFO = {'convention': 'pysot'}
    #: The toolkit hands regions to trackers as they are written, and TraX counts pixels from 0;
    #: masks are offsets from the first pixel.
    origin = 0

    def find_names(self) -> list[str]:
        return read_lines(self.data_root / 'list.txt')

    def files_of(self, name: str) -> SequenceFiles:
        folder = self.data_root / name
        about = read_properties(folder / 'sequence') if (folder / 'sequence').exists() else {}
        fps = about.get('fps', '')
        frames = folder / COLOR_FOLDER if (folder / COLOR_FOLDER).is_dir() else folder
        if COLOR_KEY in about:
            pattern = Path(about[COLOR_KEY].replace('\\', '/'))
            frames = folder / (pattern.parent if pattern.suffix else pattern)
        return SequenceFiles(
            frames, folder / 'groundtruth.txt', fps=float(fps) if fps.isdecimal() else 0.0
        )

    def read_annotation(self, name: str, files: SequenceFiles, frame_count: int) -> dict[str, Any]:
        annotation = super().read_annotation(name, files, frame_count)
        anchors = self.read_anchors(files, frame_count)
        return {**annotation, 'regions': tuple(self.read_regions(files)), 'anchors': anchors}

    def read_boxes(self, files: SequenceFiles) -> np.ndarray:
        absent = np.full(4, np.nan)
        return np.array(
            [absent if region is None else region.box_xyxy for region in self.read_regions(files)]
        )

    def read_regions(self, files: SequenceFiles) -> list[Region | None]:
        """What each line of ``groundtruth.txt`` says.

        Raises:
            AnnotationError: A line is no region.
        """
        regions = []
        for number, line in enumerate(read_lines(files.annotation), 1):
            try:
                regions.append(parse_region(line))
            except ValueError as error:
                raise AnnotationError(files.annotation, str(error), number) from error
        return regions

    def read_frame_attributes(self, files: SequenceFiles) -> Mapping[str, np.ndarray]:
        count = len(read_lines(files.annotation))
        tags = {}
        for path in sorted(files.annotation.parent.glob('*.tag')):
            flags = parse_labels(path)
            # A tag file may end with its last 1; the toolkit fills it up, too.
            tags[path.stem] = np.concatenate([flags, np.zeros(max(0, count - len(flags)), bool)])
        return tags

    def read_anchors(self, files: SequenceFiles, frame_count: int) -> np.ndarray | None:
        """Sign of each frame's anchor, ``(T,)`` int, or None where the challenge has none."""
        path = files.annotation.parent / 'anchor.value'
        if not path.exists():
            return None
        values = np.array([value for row in read_rows(path) for value in row])
        if len(values) > frame_count or np.isnan(values).any():
            raise AnnotationError(
                path, f'{len(values)} anchors for {frame_count} frames, or one that is nan'
            )
        return np.concatenate(
            [np.sign(values).astype(int), np.zeros(frame_count - len(values), int)]
        )


def read_properties(path: Path) -> dict[str, str]:
    """The ``key=value`` lines of a file.

    Raises:
        AnnotationError: A line has no ``=``.
    """
    properties = {}
    for number, line in enumerate(read_lines(path), 1):
        key, equals, value = line.partition('=')
        if not equals:
            raise AnnotationError(path, f'no key=value: {line!r}', number)
        properties[key.strip()] = value.strip()
    return properties
