"""Which paths become clips, and under which names."""

from __future__ import annotations

from pathlib import Path

import pytest

from usot_plugin.datasets.frames.video_sources import LAYOUTS, VideoSourceError, find_clips


def touch(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def test_videos_and_frame_folders_are_found_at_any_depth(tmp_path):
    touch(
        tmp_path,
        'a.mp4',
        'deep/er/B.AVI',
        'deep/frames/1.jpg',
        'deep/frames/2.jpg',
        'notes.txt',
        'deep/.hidden.mp4',
        '.git/x.mp4',
    )
    clips = find_clips([tmp_path])
    assert clips == {name: tmp_path / name for name in ['a.mp4', 'deep/er/B.AVI', 'deep/frames']}
    assert list(clips) == sorted(clips)


def test_folder_of_frames_and_single_file_by_themselves(tmp_path):
    touch(tmp_path, 'seq/0001.png', 'film.mp4', 'odd.name')
    assert find_clips([tmp_path / 'seq']) == {'seq': tmp_path / 'seq'}
    assert find_clips([tmp_path / 'film.mp4']) == {'film.mp4': tmp_path / 'film.mp4'}
    assert find_clips([tmp_path / 'odd.name']) == {
        'odd.name': tmp_path / 'odd.name'
    }  # given by itself: the decoder decides


def test_naming_the_clips_one_by_one_gives_the_same_names_as_their_folder(tmp_path):
    touch(tmp_path, 'a.mp4', 'b.mp4', 'c/1.jpg')
    assert find_clips([tmp_path / 'a.mp4', tmp_path / 'b.mp4', tmp_path / 'c']) == find_clips(
        [tmp_path]
    )


def test_several_roots_keep_names_apart(tmp_path):
    touch(tmp_path, 'one/a.mp4', 'two/a.mp4')
    assert set(find_clips([tmp_path / 'one', tmp_path / 'two'])) == {'one/a.mp4', 'two/a.mp4'}
    assert set(find_clips([tmp_path / 'one', tmp_path / 'one/a.mp4'])) == {'one/a.mp4'}


def test_a_generator_of_roots_is_read_once(tmp_path):
    touch(tmp_path, 'a.mp4')
    assert set(find_clips(path for path in [tmp_path])) == {'a.mp4'}


def test_label_folders_and_thumbnails_are_no_clips(tmp_path):
    touch(
        tmp_path,
        'car/img/1.jpg',
        'car/masks/1.png',
        'films/x.mp4',
        'films/x.jpg',
        'JPEGImages/s/1.jpg',
        'Annotations/s/1.png',
    )
    clips = find_clips([tmp_path])
    assert set(clips) == {'car', 'films/x.mp4', 'JPEGImages/s'}
    assert clips['car'] == tmp_path / 'car/img'
    assert set(find_clips([tmp_path / 'car/masks'])) == {'masks'}  # asked for by itself


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path / 'store', 'a.mp4')
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set/linked').symlink_to(tmp_path / 'store')
    (tmp_path / 'set/back').symlink_to(tmp_path / 'set')
    assert set(find_clips([tmp_path / 'set'])) == {'linked/a.mp4'}


def test_a_folder_that_cannot_be_listed_is_not_lost(tmp_path, monkeypatch):
    touch(tmp_path, 'locked/a.mp4', 'b.mp4')
    from usot_plugin.datasets.frames import video_sources

    real = video_sources._list

    def listing(folder):
        if Path(folder).name == 'locked':
            raise PermissionError(13, 'Permission denied')
        return real(folder)

    monkeypatch.setattr(video_sources, '_list', listing)
    assert set(find_clips([tmp_path])) == {'locked', 'b.mp4'}


@pytest.mark.parametrize(
    'layout, split, files, names',
    [
        (
            'got10k',
            None,
            ['train/GOT-10k_Train_000001/00000001.jpg', 'val/GOT-10k_Val_000001/1.jpg'],
            ['train/GOT-10k_Train_000001'],
        ),
        ('got10k', None, ['GOT-10k_Train_000001/00000001.jpg'], ['GOT-10k_Train_000001']),
        (
            'got10k',
            'val',
            ['train/GOT-10k_Train_000001/1.jpg', 'val/GOT-10k_Val_000001/1.jpg'],
            ['val/GOT-10k_Val_000001'],
        ),
        (
            'imagenet_vid',
            None,
            [
                'Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.JPEG',
                'Data/VID/val/ILSVRC2015_val_00000000/000000.JPEG',
                'Annotations/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.xml',
            ],
            ['Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000'],
        ),
        (
            'imagenet_vid',
            'val',
            ['Data/VID/val/ILSVRC2015_val_00000000/000000.JPEG'],
            ['Data/VID/val/ILSVRC2015_val_00000000'],
        ),
        (
            'youtube_vos',
            None,
            [
                'train/JPEGImages/003234408d/00000.jpg',
                'train/Annotations/003234408d/00000.png',
                'valid/JPEGImages/x/00000.jpg',
            ],
            ['train/JPEGImages/003234408d'],
        ),
        (
            'youtube_vos',
            None,
            [
                'train/JPEGImages/a/00000.jpg',
                'train/JPEGImages/a/00005.jpg',
                'train_all_frames/JPEGImages/a/00000.jpg',
                'train_all_frames/JPEGImages/a/00001.jpg',
            ],
            ['train/JPEGImages/a'],
        ),
        (
            'youtube_vos',
            'train_all_frames',
            ['train/JPEGImages/a/00000.jpg', 'train_all_frames/JPEGImages/a/00000.jpg'],
            ['train_all_frames/JPEGImages/a'],
        ),
        (
            'youtube_vos',
            'valid',
            ['train/JPEGImages/a/00000.jpg', 'valid/JPEGImages/x/00000.jpg'],
            ['valid/JPEGImages/x'],
        ),
    ],
)
def test_layouts_find_their_split(tmp_path, layout, split, files, names):
    touch(tmp_path, *files)
    assert list(find_clips([tmp_path], layout, split)) == names


def test_all_frames_of_youtube_vos_never_stand_in_for_every_fifth(tmp_path):
    touch(tmp_path, 'train_all_frames/JPEGImages/a/00000.jpg')
    with pytest.raises(
        VideoSourceError, match=r'no clip in it .*YouTube-VOS, split train: train/JPEGImages/\*'
    ):
        find_clips([tmp_path], 'youtube_vos')
    assert list(find_clips([tmp_path], 'youtube_vos', 'train_all_frames'))


@pytest.mark.parametrize(
    'split, names',
    [(None, ['airplane/airplane-1', 'bear/bear-2']), ('test', ['airplane/airplane-2'])],
)
def test_lasot_splits_come_from_its_lists(tmp_path, split, names):
    touch(
        tmp_path,
        *(
            f'{clip}/img/00000001.jpg'
            for clip in ['airplane/airplane-1', 'airplane/airplane-2', 'bear/bear-2']
        ),
    )
    with pytest.raises(
        VideoSourceError, match=r'(training|testing)_set\.txt: needed to tell the splits'
    ):
        find_clips([tmp_path], 'lasot', split)
    (tmp_path / 'training_set.txt').write_text('airplane-1\nbear-2\n')
    (tmp_path / 'testing_set.txt').write_text('airplane-2\n')
    clips = find_clips([tmp_path], 'lasot', split)
    assert list(clips) == names and all(path.name == 'img' for path in clips.values())


def test_every_layout_offers_its_default_split():
    assert all(layout.default_split in layout.splits for layout in LAYOUTS.values())


def test_what_is_refused_names_the_path(tmp_path):
    (tmp_path / 'empty').mkdir()
    touch(tmp_path, 'words/readme.txt', 'good/a.mp4')
    with pytest.raises(VideoSourceError, match=r'nowhere: no such file or folder'):
        find_clips([tmp_path / 'nowhere'])
    for name in ('empty', 'words'):
        with pytest.raises(VideoSourceError, match=f'{name}: no clip in it'):
            find_clips([tmp_path / 'good', tmp_path / name])
    with pytest.raises(VideoSourceError, match=r'no clip in it .* in the layout of GOT-10k'):
        find_clips([tmp_path / 'good'], 'got10k')
    with pytest.raises(VideoSourceError, match="did you mean 'got10k'"):
        find_clips([tmp_path / 'good'], 'got10')
    with pytest.raises(VideoSourceError, match="no split 'trian'"):
        find_clips([tmp_path / 'good'], 'got10k', 'trian')
    with pytest.raises(VideoSourceError, match='needs a layout'):
        find_clips([tmp_path / 'good'], split='val')
