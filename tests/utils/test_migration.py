"""MMTracking's configs, key by key: what is translated, and that everything else is named."""

from __future__ import annotations

import pytest

from tests.utils.mmtrack_configs import write_configs
from usot_plugin.registry import TRANSFORMS
from usot_plugin.utils.migration import MigrationError, migrate, read_old_config
from usot_plugin.utils.migration.datasets import translate_test_dataset, translate_train_dataset
from usot_plugin.utils.migration.pipelines import translate_train_pipeline
from usot_plugin.utils.migration.report import Migration


@pytest.fixture(scope='module')
def sot(tmp_path_factory):
    return write_configs(tmp_path_factory.mktemp('mmtrack') / 'configs')


def old_dataset(
    name='LaSOTDataset', ann_file='L/annotations/lasot_test_infos.txt', img_path='L/B', **more
) -> dict:
    return {
        'type': name,
        'data_root': 'data/',
        'ann_file': ann_file,
        'data_prefix': {'img_path': img_path},
        'test_mode': True,
        **more,
    }


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        (old_dataset(), ('LaSOTDataset', 'data/L/B', 'test')),
        (
            old_dataset('GOT10kDataset', 'G/a/got10k_val_infos.txt', 'G'),
            ('GOT10kDataset', 'data/G', 'val'),
        ),
        (
            old_dataset('mmtrack.OTB100Dataset', 'O/a/otb100_infos.txt', 'O'),
            ('OTB100Dataset', 'data/O/data', 'otb100'),
        ),
        (
            old_dataset('TrackingNetDataset', 'T/a/trackingnet_test_infos.txt', 'T'),
            ('TrackingNetDataset', 'data/T', 'TEST'),
        ),
        (
            old_dataset('UAV123Dataset', 'U/a/uav123_infos.txt', 'U'),
            ('UAV123Dataset', 'data/U', 'UAV123'),
        ),
        (
            old_dataset('VOTDataset', 'V/a/vot2018_infos.txt', 'V', dataset_type='vot2018'),
            ('VOTDataset', 'data/V/data', 'all'),
        ),
    ],
)
def test_list_and_prefix_become_folder_and_subset(old, new):
    migration = Migration()
    got = translate_test_dataset(old, 'd', migration)
    assert (
        got == dict(zip(('type', 'data_root', 'subset'), new, strict=True)) and not migration.left
    )


@pytest.mark.parametrize(
    ('changes', 'line'),
    [
        ({'bbox_min_size': 10}, 'd.bbox_min_size: LaSOTDataset has no such argument here'),
        (
            {'ann_file': 'mine.txt'},
            "d.ann_file: mine.txt: not a list that MMTracking makes, so all of subset 'test' is "
            'taken',
        ),
        ({'data_root': 's3://bucket/'}, 'd.data_root: s3://bucket/ is no local folder; write one'),
        (
            {'pipeline': [{'type': 'Resize', 'scale': 2}]},
            'd.pipeline.0: Resize: frames reach the tracker as they are',
        ),
        (
            {'pipeline': [{'type': 'LoadImageFromFile', 'backend_args': {'backend': 'petrel'}}]},
            'd.pipeline.0.backend_args: the test loop reads frames and boxes itself, so this has '
            'no place',
        ),
    ],
)
def test_arguments_without_counterpart_are_named(changes, line):
    migration = Migration()
    assert translate_test_dataset(old_dataset(**changes), 'd', migration)['type'] == 'LaSOTDataset'
    assert migration.left_lines == [line]


def test_unknown_benchmark_is_named():
    migration = Migration()
    assert translate_test_dataset(old_dataset('MOTChallengeDataset'), 'd', migration) is None
    assert migration.left_lines[0].startswith(
        'd.type: MOTChallengeDataset: no benchmark of this name here'
    )


def test_siamese_pipeline_becomes_ours():
    migration = Migration()
    sampler, pipeline = translate_train_pipeline(
        [
            {'type': 'PairSampling', 'frame_range': 100, 'pos_prob': 1.0},
            {
                'type': 'TransformBroadcaster',
                'transforms': [
                    {'type': 'CropLikeSiamFC', 'exemplar_size': 120, 'context_amount': 0.4}
                ],
            },
            {
                'type': 'SeqShiftScaleAug',
                'target_size': [120, 240],
                'shift': [3, 60],
                'scale': [0.1, 0.2],
            },
            {
                'type': 'TransformBroadcaster',
                'share_random_params': True,
                'transforms': {'type': 'BrightnessAug', 'jitter_range': 0.25},
            },
            {'type': 'mmdet.RandomFlip', 'prob': 0.3, 'direction': 'vertical'},
            {'type': 'PackTrackInputs', 'ref_prefix': 'search', 'num_template_frames': 1},
        ],
        'p',
        migration,
    )
    assert sampler == {
        'type': 'WindowFrames',
        'count': 2,
        'span': 101,
        'views': {'template': [0], 'search': [1]},
    }
    common = {'type': 'SiameseCrop', 'exemplar': 120, 'context': 0.4}
    assert pipeline == [
        {**common, 'views': ['template'], 'size': 120, 'shift_px': 3, 'scale': 0.1},
        {**common, 'views': ['search'], 'size': 240, 'shift_px': 60, 'scale': 0.2},
        {'type': 'ViewBrightness', 'views': ['template', 'search'], 'factor': [0.75, 1.25]},
        {'type': 'ViewFlip', 'views': ['template', 'search'], 'prob': 0.3, 'axis': 'vertical'},
        {'type': 'PackSOTInputs', 'single': ['template', 'search'], 'stacked': []},
    ]
    assert all(TRANSFORMS.build(dict(step)) for step in pipeline)
    assert not migration.left and any(
        'p.3.transforms.0: BrightnessAug: each view' in line for line in migration.note_lines
    )


def test_quotas_follow_the_sampling_weights(sot):
    migration = migrate(read_old_config(sot / 'siamese_lasot.py'))
    dataset = migration.content['train_dataloader']['dataset']
    assert dataset['type'] == 'QuotaMixture' and dataset['quotas'] == [150_000, 450_000]
    video, images = dataset['datasets']
    assert (video['annotation'], video['image_root']) == (
        'data/ILSVRC/annotations/imagenet_vid_train.json',
        'data/ILSVRC/Data/VID',
    )
    assert video['type'] == images['type'] == 'CocoVIDDataset'
    assert images['frame_sampler']['views'] == {
        'template': [0],
        'search': [0],
    }  # an image is its own search area


def test_chunks_of_trackingnet_share_its_quota(sot):
    dataset = migrate(read_old_config(sot / 'stark_lasot.py')).content['train_dataloader'][
        'dataset'
    ]
    assert [part['sequences']['subset'] for part in dataset['datasets']] == [
        'train',
        'train',
        'TRAIN_0',
        'TRAIN_3',
    ]
    assert dataset['quotas'] == [20_000, 20_000, 10_000, 10_000]
    whole = translate_train_dataset(
        old_dataset('TrackingNetDataset', 'trackingnet_train_infos.txt'), 'd', Migration()
    )
    assert [part['sequences']['subset'] for part in whole] == [f'TRAIN_{n}' for n in range(12)]


def test_everything_left_is_named_once(sot):
    migration = migrate(read_old_config(sot / 'siamese_lasot.py'))
    keys = [line.split(': ')[0] for line in migration.left_lines]
    pipeline = 'train_dataloader.dataset.datasets.*.pipeline'
    expected = {
        'model',
        'custom_hooks.0',
        'param_scheduler.0',
        f'{pipeline}.0.pos_prob',
        f'{pipeline}.2.transforms.0',  # gray
        f'{pipeline}.4',  # colour
        f'{pipeline}.5',  # blur
    }
    assert set(keys) == expected and len(keys) == len(expected)
    assert (
        'SiamRPNExpLR: LogSpaceLR is a straight line in log space, too' in migration.left_lines[-1]
    )
    # What MMEngine knows is kept, every other trace of MMTracking is gone.
    assert migration.content['param_scheduler'] == [
        {'type': 'MultiStepLR', 'milestones': [15], 'gamma': 0.1}
    ]
    assert (
        migration.content['optim_wrapper']['paramwise_cfg']['custom_keys']['backbone']['lr_mult']
        == 0.1
    )
    assert (
        'visualization' not in migration.content['default_hooks']
        and 'default_scope' not in migration.content
    )
    assert migration.content['default_hooks']['stage'] == {'type': 'TrainingStageHook'}
    assert migration.content['custom_imports'] == {
        'imports': ['usot_plugin'],
        'allow_failed_imports': False,
    }


@pytest.mark.parametrize(
    'name', ['TrackLocalVisualizer', 'DetLocalVisualizer', 'mmdet.DetLocalVisualizer', 'Visualizer']
)
def test_any_visualizer_becomes_the_one_that_every_host_has(name):
    backends = [{'type': 'LocalVisBackend'}, {'type': 'TensorboardVisBackend'}]
    old = {
        'test_dataloader': {},
        'visualizer': {
            'type': name,
            'vis_backends': [*backends, {'type': 'MadeUp'}],
            'name': 'visualizer',
        },
    }
    migration = migrate(old)
    assert migration.content['visualizer'] == {'type': 'Visualizer', 'vis_backends': backends}
    assert any(line.startswith('visualizer.vis_backends.2: ') for line in migration.left_lines)
    assert any(line.startswith('visualizer: ') for line in migration.note_lines) == (
        name != 'Visualizer'
    )


def benchmark(kind, metric, protocol, **dataset) -> dict:
    return {
        'test_dataloader': {'dataset': {'type': kind, 'data_root': 'x', **dataset}},
        'test_cfg': {'type': 'SOTTestLoop', 'protocol': protocol},
        'test_evaluator': metric,
    }


def test_protocol_and_metric_are_those_of_the_benchmarks_own_config(sot):
    known = [
        benchmark('GOT10kDataset', {'type': 'A'}, {'type': 'P'}, subset='val'),
        benchmark('GOT10kDataset', {'type': 'B'}, {'type': 'Q'}, subset='test'),
        benchmark(
            'VOTDataset',
            {'type': 'C', 'eao_low': 1},
            {'type': 'R'},
            metainfo={'dataset_name': 'VOT2017'},
        ),
        benchmark(
            'VOTDataset',
            {'type': 'D', 'eao_low': 2},
            {'type': 'S'},
            metainfo={'dataset_name': 'VOT2018'},
        ),
    ]
    for name, metric, protocol in (
        ('got10k', 'B', 'Q'),
        ('got10k_val', 'A', 'P'),
        ('vot2018', 'D', 'S'),
    ):
        content = migrate(read_old_config(sot / f'siamese_{name}.py'), known).content
        assert content['test_evaluator']['type'] == content['val_evaluator']['type'] == metric
        assert content['test_cfg'] == {
            'type': 'SOTTestLoop',
            'protocol': {'type': protocol},
            'out_dir': f'results/siamese_{name}',
        }
        assert content['val_cfg']['type'] == 'SOTValLoop'
    assert content['test_dataloader']['dataset']['metainfo'] == {'dataset_name': 'VOT2018'}
    without = migrate(read_old_config(sot / 'siamese_vot2018.py'), known[:3])
    assert 'test_dataloader' not in without.content
    assert '*_evaluator: vot2018: no benchmark of this name here' in without.left_lines
    assert 'val_interval' not in without.content['train_cfg']


def evaluation(**evaluator) -> Migration:
    part = {
        'test_dataloader': {
            'batch_size': 1,
            'sampler': {'type': 'VideoSampler'},
            'dataset': old_dataset(),
        },
        'test_cfg': {'type': 'TestLoop'},
        'test_evaluator': {'type': 'SOTMetric', **evaluator},
    }
    return migrate(part)


@pytest.mark.parametrize(
    ('evaluator', 'line'),
    [
        (
            {'metric': 'VOT'},
            "test_evaluator.metric: 'VOT' on LaSOTDataset is not what that benchmark is measured "
            'by',
        ),
        (
            {'metric_options': {'only_eval_visible': False}},
            'test_evaluator.metric_options.only_eval_visible: LaSOTDataset counts frames as its '
            'own toolkit does',
        ),
        (
            {'options_after_eval': {'tracker_name': 'x'}},
            'test_evaluator.options_after_eval: SOTMetric has no such argument here',
        ),
        (
            {'type': 'CocoVideoMetric'},
            'test_evaluator: CocoVideoMetric: one SOTMetric is translated, nothing else',
        ),
    ],
)
def test_metric_options_without_counterpart_are_named(evaluator, line):
    assert evaluation(**evaluator).left_lines == [line]


def test_whole_evaluation_leaves_nothing():
    migration = evaluation(metric='OPE', metric_options={'only_eval_visible': True})
    assert not migration.left and not migration.notes
    assert migration.content['test_evaluator'] == {'type': 'SOTMetric'}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('data = dict(samples_per_gpu=1)\n', "has 'data', so it is a config of MMTracking 0.x"),
        ("model = dict(type='SiamRPN')\n", 'neither training nor test data in it'),
        ('x = = 1\n', 'cannot be read as a config: SyntaxError'),
        ("_base_ = ['gone.py']\n", 'cannot be read as a config: FileNotFoundError'),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    (tmp_path / 'old.py').write_text(text)
    with pytest.raises(MigrationError, match=message):
        read_old_config(tmp_path / 'old.py')


def test_reading_imports_nothing(tmp_path):
    (tmp_path / 'old.py').write_text(
        "default_scope = 'mmtrack'\ncustom_imports = dict(imports=['mmtrack.nowhere', "
        "'my_package'], allow_failed_imports=False)\n"
        "test_dataloader = dict(dataset=dict(type='Nothing'))\n"
    )
    migration = migrate(read_old_config(tmp_path / 'old.py'))
    assert migration.content['custom_imports']['imports'] == ['usot_plugin', 'my_package']
    assert migration.left_lines == [
        'test_dataloader: means nothing without test_cfg, test_evaluator'
    ]
