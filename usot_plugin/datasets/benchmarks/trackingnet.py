"""TrackingNet."""

from __future__ import annotations

from usot_plugin.registry import DATASETS
from usot_plugin.structures.clip import natural_key

from .annotations import AnnotationError
from .box_files import BoxFileBenchmark, SequenceFiles

CHUNKS = [f'TRAIN_{number}' for number in range(12)]


@DATASETS.register_module()
class TrackingNetDataset(BoxFileBenchmark):
    """``ROOT/<chunk>/{frames/<sequence>/*.jpg, anno/<sequence>.txt}``, chunk ``TEST`` or
    ``TRAIN_0`` to ``TRAIN_11``.

    Of TEST only the first box is published: all other boxes are nan, and only the benchmark's
    server can score the results. Whatever lies in a chunk's folders is a sequence; the sets are too
    large for everybody to have them whole.

    Raises:
        AnnotationError: The folder ``anno`` is missing.
    """

    SUBSETS = {'TEST': 'TrackingNet', **{chunk: f'TrackingNet {chunk}' for chunk in CHUNKS}}
    COUNTS = {'TEST': 511, **dict.fromkeys(CHUNKS, 2511)}
    FIRST_BOX_ONLY = frozenset({'TEST'})
    METAINFO = {'convention': 'got10k'}
    #: Boxes come from YouTube-BoundingBoxes, whose coordinates are shares of the width and height
    #: from 0 to 1 (TrackingNet, Sec. 3).
    origin = 0
    first_number = 0

    def find_names(self) -> list[str]:
        self.folder = self.data_root / self.subset
        try:
            annotated = {
                path.stem
                for path in (self.folder / 'anno').iterdir()
                if path.suffix == '.txt' and not path.name.startswith('.')
            }
        except OSError as error:
            raise AnnotationError(
                self.folder / 'anno', f'cannot list the annotations ({error.strerror})'
            ) from error
        return sorted(annotated, key=natural_key)

    def files_of(self, name: str) -> SequenceFiles:
        return SequenceFiles(self.folder / 'frames' / name, self.folder / 'anno' / f'{name}.txt')
