"""GOT-10k."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from typing import Any

import numpy as np

from usot_plugin.registry import DATASETS

from .annotations import AnnotationError, parse_labels, read_lines, read_rows
from .box_files import BoxFileBenchmark, SequenceFiles

#: Entries of ``meta_info.ini`` that describe a sequence.
META_KEYS = ('object_class', 'motion_class', 'major_class', 'root_class', 'motion_adverb')
#: ``cover.label`` counts eighths of the target that can be seen.
COVER_LEVELS = 8


@DATASETS.register_module()
class GOT10kDataset(BoxFileBenchmark):
    """``ROOT/<subset>/{list.txt, <sequence>/{*.jpg, groundtruth.txt, absence.label, cover.label,
    cut_by_image.label, meta_info.ini}}``.

    Of 'test' only the first box is published: all other boxes are nan, and only the benchmark's
    server can score the results.

    The target is absent where ``absence.label`` says so and where nothing of it can be seen
    (``cover.label`` is 0): the benchmark scores neither. ``frame_attributes``: ``cover`` (something
    can be seen) and ``cut_by_image``; ``attributes``: ``<key>: <value>`` of ``meta_info.ini``.

    Raises:
        AnnotationError: ``list.txt`` is missing.
    """

    SUBSETS = {'val': 'GOT-10k val', 'test': 'GOT-10k test', 'train': 'GOT-10k train'}
    COUNTS = {'val': 180, 'test': 180, 'train': 9335}
    FIRST_BOX_ONLY = frozenset({'test'})
    METAINFO = {'convention': 'got10k'}
    #: The benchmark's toolkit cuts boxes at 0 and at the image's width and height (``rect_iou``
    #: with ``bound``), so pixels start at 0.
    origin = 0
    #: Some frames without the target have -1 on all places.
    negative_is_absent = True

    def find_names(self) -> list[str]:
        return read_lines(self.data_root / self.subset / 'list.txt')

    def files_of(self, name: str) -> SequenceFiles:
        folder = self.data_root / self.subset / name
        annotation = folder / 'groundtruth.txt'
        if self.first_box_only:
            return SequenceFiles(folder, annotation)
        return SequenceFiles(
            folder,
            annotation,
            absence=(folder / 'absence.label',),
            attributes=folder / 'meta_info.ini',
        )

    def read_annotation(self, name: str, files: SequenceFiles, frame_count: int) -> dict[str, Any]:
        annotation = super().read_annotation(name, files, frame_count)
        if not self.first_box_only:
            annotation['boxes_xyxy'][~annotation['frame_attributes']['cover']] = np.nan
        return annotation

    def read_attributes(self, name: str, files: SequenceFiles) -> tuple[str, ...]:
        if files.attributes is None:
            return ()
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(files.attributes, encoding='utf-8')
        except (configparser.Error, UnicodeDecodeError) as error:
            raise AnnotationError(
                files.attributes, f'not a meta file ({" ".join(str(error).split())})'
            ) from error
        if not parser.has_section('METAINFO'):
            raise AnnotationError(files.attributes, 'missing, or without a section [METAINFO]')
        meta = parser['METAINFO']
        return tuple(f'{key}: {meta[key]}' for key in META_KEYS if key in meta)

    def read_frame_attributes(self, files: SequenceFiles) -> Mapping[str, np.ndarray]:
        if self.first_box_only:
            return {}
        cover = np.array(
            [value for row in read_rows(files.frames / 'cover.label') for value in row]
        )
        if not np.isin(cover, np.arange(COVER_LEVELS + 1)).all():
            raise AnnotationError(
                files.frames / 'cover.label',
                f'a cover label is a whole number from 0 to {COVER_LEVELS}',
            )
        return {
            'cover': cover > 0,
            'cut_by_image': parse_labels(files.frames / 'cut_by_image.label'),
        }
