"""Every benchmark is read from a folder in the layout that its owners publish; every way in which
one can be broken has its own line."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from usot_plugin.datasets.benchmarks import AnnotationError, from_origin, to_origin
from usot_plugin.evaluation.functional import CONVENTIONS
from usot_plugin.registry import DATASETS
from usot_plugin.structures.clip import ClipError
from usot_plugin.structures.regions import BoxRegion, MaskRegion, PolygonRegion
from usot_plugin.testing import benchmarks as tiny

#: Class, writer with its options, options of the data set.
READERS = {
    'otb': (
        'OTB100Dataset',
        tiny.write_otb,
        {'names': ['Deer', 'Football1', 'Tiger1', 'KiteSurf', 'Jogging.1', 'Jogging.2']},
        {},
    ),
    'otb2013': ('OTB100Dataset', tiny.write_otb, {'names': ['Deer']}, {'subset': 'otb2013'}),
    'lasot': ('LaSOTDataset', tiny.write_lasot, {}, {}),
    'lasot_train': (
        'LaSOTDataset',
        tiny.write_lasot,
        {'names': ['airplane-2']},
        {'subset': 'train'},
    ),
    'lasot_extension': (
        'LaSOTDataset',
        tiny.write_lasot,
        {'names': ['atv-10']},
        {'subset': 'extension'},
    ),
    'got10k_val': ('GOT10kDataset', tiny.write_got10k, {}, {}),
    'got10k_test': ('GOT10kDataset', tiny.write_got10k, {'subset': 'test'}, {'subset': 'test'}),
    'trackingnet': ('TrackingNetDataset', tiny.write_trackingnet, {}, {}),
    'trackingnet_train': (
        'TrackingNetDataset',
        tiny.write_trackingnet,
        {'subset': 'TRAIN_3'},
        {'subset': 'TRAIN_3'},
    ),
    'uav123': ('UAV123Dataset', tiny.write_uav123, {'names': ['uav6', 'uav2']}, {}),
    'nfs240': ('NFSDataset', tiny.write_nfs, {}, {'subset': '240'}),
    'tcolor128': ('TColor128Dataset', tiny.write_tcolor128, {}, {}),
    'vot_boxes': ('VOTDataset', tiny.write_vot, {}, {}),
    'vot_polygons': (
        'VOTDataset',
        tiny.write_vot,
        {'regions': 'polygon', 'color_folder': True},
        {},
    ),
    'vot_masks': (
        'VOTDataset',
        tiny.write_vot,
        {'regions': 'mask', 'color_folder': True, 'anchors': {0: 1, 5: 1, 11: -1}},
        {},
    ),
    'davis2017': ('DAVISDataset', tiny.write_davis, {}, {}),
    'davis2016': ('DAVISDataset', tiny.write_davis, {'year': 2016}, {'subset': '2016'}),
}


def build(kind: str, root: Path, written, **options):
    return DATASETS.build(
        {'type': kind, 'data_root': str(root), 'sequences': list(written), **options}
    )


@pytest.mark.parametrize('key', READERS)
def test_reads_frames_and_boxes(key, tmp_path):
    kind, write, how, options = READERS[key]
    written = write(tmp_path, **how)
    dataset = build(kind, tmp_path, written, **options)
    dataset.full_init()
    assert (
        dataset.names == list(written)
        and dataset.metainfo['convention'] in CONVENTIONS
        and dataset.metainfo['dataset_name']
    )
    for sequence in dataset:
        np.testing.assert_allclose(sequence.boxes_xyxy, written[sequence.name], atol=0.01)
        assert sequence.clip.size_wh == tiny.SIZE_WH and sequence.clip.frame_count == len(sequence)
        box = sequence.boxes_xyxy[0].round().astype(int)
        border = sequence.clip.read(0)[box[1] : box[3], box[0]].astype(int)
        assert border.mean() > 150 or key in ('davis2016', 'otb'), (
            'the bright border of the square lies on the box'
        )
        assert np.isin(list(sequence.frame_attributes.values()), (True, False)).all()
        again = pickle.loads(pickle.dumps(sequence))
        np.testing.assert_array_equal(
            again.clip.read(len(again) - 1), sequence.clip.read(len(sequence) - 1)
        )


@pytest.mark.parametrize('key', READERS)
def test_every_check_passes_on_a_whole_folder(key, tmp_path):
    kind, write, how, options = READERS[key]
    dataset = build(kind, tmp_path, write(tmp_path, **how), **options)
    for name in dataset.names:
        checks = dataset.checks(name)
        assert len(checks) > 1
        for check in checks:
            check()


@pytest.mark.parametrize('origin', [0, 1])
def test_origin_goes_out_as_it_came_in(origin):
    written = np.array([[3.0, 4.0, 10.0, 20.0], [np.nan] * 4])
    boxes = from_origin(written, origin)
    np.testing.assert_array_equal(boxes[0], [3 - origin, 4 - origin, 13 - origin, 24 - origin])
    np.testing.assert_array_equal(to_origin(boxes, origin), written)
    with pytest.raises(ValueError, match='origin is 0 or 1, got 2'):
        from_origin(written, 2)


@pytest.mark.parametrize(
    ('kind', 'origin'),
    [
        ('OTB100', 1),
        ('LaSOT', 1),
        ('UAV123', 1),
        ('TColor128', 1),
        ('GOT10k', 0),
        ('TrackingNet', 0),
        ('NFS', 0),
        ('VOT', 0),
        ('DAVIS', 0),
    ],
)
def test_each_class_states_its_origin(kind, origin):
    assert DATASETS.get(f'{kind}Dataset').origin == origin


def test_nothing_is_decoded_or_listed_twice(tmp_path, monkeypatch):
    written = tiny.write_uav123(tmp_path, ['bird1_1', 'bird1_2'])
    listed, decoded = [], []
    real = os.listdir
    monkeypatch.setattr(os, 'listdir', lambda path: listed.append(Path(path)) or real(path))
    monkeypatch.setattr(
        'usot_plugin.structures.clip.read_image', lambda *args: decoded.append(args)
    )
    dataset = build('UAV123Dataset', tmp_path, written)
    dataset.full_init()
    assert [len(sequence) for sequence in dataset] == [253, 703]
    assert listed == [tmp_path / 'data_seq/UAV123/bird1'] and not decoded


def test_parts_of_a_folder_start_at_their_own_frame(tmp_path):
    dataset = build('OTB100Dataset', tmp_path, tiny.write_otb(tmp_path, ['David']))
    clip = dataset[0].clip
    assert (clip.files[0].name, clip.files[-1].name, len(clip)) == ('0300.jpg', '0770.jpg', 471)
    assert [index for index, _ in clip.iter_frames(469)] == [469, 470]


def test_frames_that_are_not_evaluated_are_skipped(tmp_path):
    dataset = build('OTB100Dataset', tmp_path, tiny.write_otb(tmp_path, ['Tiger1']))
    assert len(dataset[0]) == 349 and dataset[0].clip.files[0].name == '0006.jpg'


def test_png_frames(tmp_path):
    written = tiny.write_otb(tmp_path, ['Deer'])
    for file in (tmp_path / 'Deer/img').iterdir():
        file.rename(file.with_suffix('.PNG'))
    assert len(build('OTB100Dataset', tmp_path, written)[0]) == 71


@pytest.mark.parametrize(
    ('key', 'attributes'),
    [
        ('otb', ('MB', 'FM', 'IPR', 'BC', 'LR')),
        ('lasot', ('IV', 'CM')),
        ('uav123', ('SV', 'LR', 'SOB')),
        ('tcolor128', ('IV', 'SV')),
        ('got10k_val', ('object_class: square', 'motion_class: sliding', 'major_class: shape')),
        ('got10k_test', ()),
    ],
)
def test_attributes(key, attributes, tmp_path):
    kind, write, how, options = READERS[key]
    assert build(kind, tmp_path, write(tmp_path, **how), **options)[0].attributes == attributes


def test_attributes_of_tcolor128_as_flags(tmp_path):
    written = tiny.write_tcolor128(tmp_path, ['Deer'])
    (tmp_path / 'Deer/Deer_att.txt').write_text('0,1,0,0,0,0,0,0,0,0,1\n')
    assert build('TColor128Dataset', tmp_path, written)[0].attributes == ('SV', 'LR')


def test_a_sequence_can_be_read_without_its_attributes(tmp_path):
    written = tiny.write_uav123(tmp_path, ['uav6'])
    (tmp_path / 'anno/UAV123/att/uav6.txt').unlink()
    dataset = build('UAV123Dataset', tmp_path, written)
    assert dataset[0].attributes == ()
    with pytest.raises(AnnotationError, match='att/uav6.txt: cannot be read'):
        for check in dataset.checks('uav6'):
            check()


def test_frame_attributes(tmp_path):
    got10k = build('GOT10kDataset', tmp_path, tiny.write_got10k(tmp_path))[0].frame_attributes
    assert np.flatnonzero(~got10k['cover']).tolist() == [4, 6] and np.flatnonzero(
        got10k['cut_by_image']
    ).tolist() == [1]
    vot = build('VOTDataset', tmp_path, tiny.write_vot(tmp_path))[0].frame_attributes
    assert {name: np.flatnonzero(values).tolist() for name, values in vot.items()} == {
        'camera_motion': [1, 2],
        'illum_change': [],
        'motion_change': [],
        'occlusion': [3],
        'size_change': [],
    }


def test_first_boxes_only(tmp_path):
    dataset = build('GOT10kDataset', tmp_path, tiny.write_got10k(tmp_path, 'test'), subset='test')
    assert dataset.metainfo['first_box_only'] and dataset[0].present.tolist() == [True] + 7 * [
        False
    ]


def test_negative_boxes_of_got10k_are_absent(tmp_path):
    written = tiny.write_got10k(tmp_path, count=1)
    file = tmp_path / 'val/GOT-10k_Val_000001/groundtruth.txt'
    lines = file.read_text().splitlines()
    file.write_text('\n'.join([*lines[:2], '-1,-1,-1,-1', *lines[3:]]))
    assert np.flatnonzero(~build('GOT10kDataset', tmp_path, written)[0].present).tolist() == [
        2,
        4,
        6,
    ]


@pytest.mark.parametrize('lines', [40, 41, 33])
def test_nfs_at_30_takes_every_eighth_line(lines, tmp_path):
    written = tiny.write_nfs(tmp_path, ['car_jumping'])
    file = tmp_path / 'car_jumping/30/car_jumping.txt'
    text = file.read_text().splitlines()
    file.write_text('\n'.join([*text, text[-1]][:lines]))
    sequence = build('NFSDataset', tmp_path, written)[0]
    np.testing.assert_array_equal(sequence.boxes_xyxy, written['car_jumping'][::8])
    assert (
        sequence.clip.fps == 30
        and not sequence.present[1]
        and sequence.frame_attributes['occluded'].tolist() == [0, 0, 0, 0, 0]
    )


def test_nfs_at_30_leaves_out_a_frame_without_line(tmp_path):
    written = tiny.write_nfs(tmp_path, ['car_jumping'])
    file = tmp_path / 'car_jumping/30/car_jumping.txt'
    file.write_text('\n'.join(file.read_text().splitlines()[:32]))
    assert len(build('NFSDataset', tmp_path, written)[0]) == 4


@pytest.mark.parametrize(
    ('regions', 'kind'), [('box', BoxRegion), ('polygon', PolygonRegion), ('mask', MaskRegion)]
)
def test_regions_and_anchors_of_vot(regions, kind, tmp_path):
    written = tiny.write_vot(
        tmp_path,
        ['bag'],
        regions=regions,
        anchors={0: 1, 6: 3, 11: -2},
        color_folder=regions == 'mask',
    )
    file = tmp_path / 'bag/groundtruth.txt'
    lines = file.read_text().splitlines()
    file.write_text('\n'.join([*lines[:4], '0', *lines[5:]]))
    sequence = build('VOTDataset', tmp_path, written)[0]
    assert (
        [region is None for region in sequence.regions]
        == (~sequence.present).tolist()
        == [index == 4 for index in range(12)]
    )
    assert isinstance(sequence.regions[0], kind)
    assert np.flatnonzero(sequence.anchors).tolist() == [0, 6, 11] and sequence.anchors[
        [0, 6, 11]
    ].tolist() == [1, 1, -1]


def test_short_tag_files_of_vot_are_filled_up(tmp_path):
    written = tiny.write_vot(tmp_path, ['bag'])
    (tmp_path / 'bag/occlusion.tag').write_text('1\n1\n')
    sequence = build('VOTDataset', tmp_path, written)[0]
    assert (
        sequence.frame_attributes['occlusion'].tolist() == 2 * [True] + 10 * [False]
        and sequence.anchors is None
    )


def test_objects_of_davis(tmp_path):
    written = tiny.write_davis(tmp_path, ['blackswan'])
    several = build('DAVISDataset', tmp_path, written)[0]
    first, second = several.load_labels(0), several.load_labels(2)
    assert set(np.unique(first)) == {0, 1, 2, 255} and set(np.unique(second)) == {0, 1}
    (tmp_path / 'ImageSets/2016').mkdir()
    (tmp_path / 'ImageSets/2016/val.txt').write_text('blackswan\n')
    one = build('DAVISDataset', tmp_path, written, subset='2016')[0]
    assert set(np.unique(one.load_labels(0))) == {0, 1, 255}
    assert ((one.load_labels(0) == 1) == np.isin(first, (1, 2))).all()


def test_white_objects_of_davis_2016(tmp_path):
    from PIL import Image

    written = tiny.write_davis(tmp_path, ['blackswan'], year=2016)
    for file in (tmp_path / 'Annotations/480p/blackswan').iterdir():
        labels = np.array(Image.open(file))
        Image.fromarray(np.where(np.isin(labels, (1, 2)), 255, 0).astype(np.uint8)).save(file)
    sequence = build('DAVISDataset', tmp_path, written, subset='2016')[0]
    np.testing.assert_array_equal(sequence.boxes_xyxy, written['blackswan'])
    assert set(np.unique(sequence.load_labels(0))) == {0, 1}


def test_a_frame_without_mask_is_allowed(tmp_path):
    written = tiny.write_davis(tmp_path, ['blackswan'])
    (tmp_path / 'Annotations/480p/blackswan/00003.png').unlink()
    sequence = build('DAVISDataset', tmp_path, written)[0]
    assert sequence.load_labels(3) is None and np.flatnonzero(~sequence.present).tolist() == [3]


def _rewrite(path: str, text: str):
    return lambda root: (root / path).write_text(text)


def _remove(path: str):
    return lambda root: (root / path).unlink()


#: Reader, what breaks its folder, and the words of the line that names it.
BROKEN = {
    'missing frames': (
        'otb',
        _remove('Deer/img/0004.jpg'),
        'Deer/img: 1 of the frames 1 to 71 are missing: 4',
    ),
    'missing last frame': ('otb', _remove('Deer/img/0071.jpg'), 'frames 1 to 71 are missing: 71'),
    'missing first frame': (
        'lasot',
        _remove('airplane/airplane-1/img/00000001.jpg'),
        'frames 1 to 8 are missing: 1',
    ),
    'one frame too few': (
        'lasot',
        _remove('airplane/airplane-1/img/00000008.jpg'),
        'groundtruth.txt: 8 boxes for 7 frames in',
    ),
    'line count of the list': (
        'otb',
        _rewrite('Deer/groundtruth_rect.txt', '1,1,9,9\n'),
        '1 boxes for 71 listed frames',
    ),
    'image without number': (
        'lasot',
        _rewrite('airplane/airplane-1/img/cover.jpg', ''),
        '1 images are not named by a frame number',
    ),
    'two images of a number': (
        'lasot',
        _rewrite('airplane/airplane-1/img/1.png', ''),
        '9 images for 8 frame numbers',
    ),
    'no annotation': (
        'otb',
        _remove('Deer/groundtruth_rect.txt'),
        'groundtruth_rect.txt: cannot be read',
    ),
    'absence': (
        'lasot',
        _remove('airplane/airplane-1/out_of_view.txt'),
        'out_of_view.txt: cannot be read',
    ),
    'absence length': (
        'lasot',
        _rewrite('airplane/airplane-1/out_of_view.txt', '0,1'),
        'out_of_view.txt: 2 labels for 8 boxes',
    ),
    'flags': (
        'lasot',
        _rewrite('att/airplane-1.txt', '0,1'),
        'airplane-1.txt: 2 flags for 14 attributes',
    ),
    'no start': (
        'uav123',
        _rewrite('anno/UAV123/uav6.txt', 'nan,nan,nan,nan\n' * 109),
        'the first frame has no box to start from',
    ),
    'cover': (
        'got10k_val',
        _rewrite('val/GOT-10k_Val_000001/cover.label', '9\n' * 8),
        'a cover label is a whole number from 0 to 8',
    ),
    'cover length': (
        'got10k_val',
        _rewrite('val/GOT-10k_Val_000001/cover.label', '8\n'),
        '1 labels for 8 boxes',
    ),
    'no cover': (
        'got10k_val',
        _remove('val/GOT-10k_Val_000001/cover.label'),
        'cover.label: cannot be read',
    ),
    'meta': (
        'got10k_val',
        _rewrite('val/GOT-10k_Val_000001/meta_info.ini', 'a'),
        'meta_info.ini: not a meta file',
    ),
    'empty meta': (
        'got10k_val',
        _rewrite('val/GOT-10k_Val_000001/meta_info.ini', ''),
        'without a section',
    ),
    'several boxes in a test set': (
        'trackingnet',
        _rewrite('TEST/anno/-A_1.txt', '1,1,5,5\n' * 3),
        '3 boxes for 12 frames',
    ),
    'no frames': (
        'trackingnet',
        lambda root: [file.unlink() for file in (root / 'TEST/frames/-A_1').iterdir()],
        'no image in this folder',
    ),
    'nfs words': (
        'nfs240',
        _rewrite('car_jumping/240/car_jumping.txt', '0 a 1 1 1 1 0 0 0 "x"\n'),
        'line 1: not a number',
    ),
    'nfs columns': (
        'nfs240',
        _rewrite('car_jumping/240/car_jumping.txt', '0 1 2\n'),
        'a line has 9 numbers and a class, got 3',
    ),
    'nfs size': (
        'nfs240',
        _rewrite('car_jumping/240/car_jumping.txt', '0 9 9 1 1 1 0 0 0 "x"\n' * 40),
        'negative width or height of box',
    ),
    'nfs count': (
        'nfs240',
        _rewrite('car_jumping/240/car_jumping.txt', '0 1 1 9 9 1 0 0 0 "x"\n' * 30),
        '30 boxes for 40 frames',
    ),
    'range': (
        'tcolor128',
        _rewrite('Deer/Deer_frames.txt', '9,3\n'),
        'the first and the last frame number are wanted',
    ),
    'attribute': ('tcolor128', _rewrite('Deer/Deer_att.txt', 'IV,XX\n'), "unknown attribute 'XX'"),
    'region': (
        'vot_boxes',
        _rewrite('bag/groundtruth.txt', '1,2,3\n'),
        'groundtruth.txt, line 1: a region has 4 numbers',
    ),
    'tags': (
        'vot_boxes',
        _rewrite('bag/occlusion.tag', '0\n' * 13),
        '13 labels for 12 boxes (occlusion)',
    ),
    'anchors': ('vot_masks', _rewrite('bag/anchor.value', '0\n' * 13), '13 anchors for 12 frames'),
    'sequence file': (
        'vot_masks',
        _rewrite('bag/sequence', 'fps\n'),
        "sequence, line 1: no key=value: 'fps'",
    ),
    'first mask': (
        'davis2017',
        _remove('Annotations/480p/blackswan/00000.png'),
        'the first frame has no mask',
    ),
    'mask': (
        'davis2017',
        _rewrite('Annotations/480p/blackswan/00000.png', 'x'),
        '00000.png: not an image that can be decoded',
    ),
}


@pytest.mark.parametrize('case', BROKEN)
def test_broken_folders_are_named(case, tmp_path):
    key, damage, words = BROKEN[case]
    kind, write, how, options = READERS[key]
    dataset = build(kind, tmp_path, write(tmp_path, **how), **options)
    damage(tmp_path)
    with pytest.raises((AnnotationError, ClipError)) as caught:
        dataset[0]
    assert words in str(caught.value) and str(tmp_path) in str(caught.value)


def test_colour_masks_and_masks_without_object(tmp_path):
    from PIL import Image

    written = tiny.write_davis(tmp_path, ['blackswan'])
    dataset = build('DAVISDataset', tmp_path, written)
    file = tmp_path / 'Annotations/480p/blackswan/00000.png'
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(file)
    with pytest.raises(AnnotationError, match='labels in a palette or grey, this is RGB'):
        dataset.full_init()
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(file)
    with pytest.raises(AnnotationError, match='has no object'):
        dataset.full_init()


def test_missing_sequences_are_counted_before_anything_is_read(tmp_path):
    tiny.write_otb(tmp_path, ['Deer'])
    dataset = DATASETS.build({'type': 'OTB100Dataset', 'data_root': str(tmp_path)})
    assert len(dataset) == 100
    with pytest.raises(
        AnnotationError, match='99 of 100 sequences are missing: Basketball, Biker, .* and 91 more'
    ):
        dataset.full_init()


@pytest.mark.parametrize(
    ('kind', 'options', 'words'),
    [
        ('OTB100Dataset', {'subset': 'otb10'}, "unknown subset 'otb10', did you mean 'otb100'"),
        ('NFSDataset', {'subset': '60'}, "unknown subset '60'; known are 30, 240"),
        ('OTB100Dataset', {'sequences': ['Dear']}, "no sequence 'Dear', did you mean 'Deer'"),
        ('OTB100Dataset', {'data_root': 'nowhere'}, 'nowhere: no such folder'),
    ],
)
def test_wrong_arguments(kind, options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        DATASETS.build({'type': kind, 'data_root': str(tmp_path), **options})


@pytest.mark.parametrize(
    ('kind', 'file'),
    [
        ('GOT10kDataset', 'val/list.txt'),
        ('VOTDataset', 'list.txt'),
        ('DAVISDataset', 'ImageSets/2017/val.txt'),
    ],
)
def test_missing_lists_are_named(kind, file, tmp_path):
    with pytest.raises(AnnotationError, match=f'{file}: cannot be read'):
        DATASETS.build({'type': kind, 'data_root': str(tmp_path)})
    with pytest.raises(AnnotationError, match='anno: cannot list the annotations'):
        DATASETS.build({'type': 'TrackingNetDataset', 'data_root': str(tmp_path)})


def test_counts_of_lasot(tmp_path):
    counts = {'test': 280, 'train': 1120, 'extension': 150}
    for subset, count in counts.items():
        assert (
            len(
                DATASETS.build(
                    {'type': 'LaSOTDataset', 'data_root': str(tmp_path), 'subset': subset}
                )
            )
            == count
        )
