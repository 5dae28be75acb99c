"""The gallery is one file that shows every entry and cannot be broken by a name."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from usot_plugin.visualization.gallery import Card, gallery_html


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words = ''
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


CARDS = [
    Card('b', 'kept', 0.5, ['Q_v 0.50'], b'\xff\xd8jpeg'),
    Card('a', 'dropped', 0.9, ['corner share']),
    Card('<script>alert(1)</script>"', 'skipped', -1, ['no & yes', '']),
]


def test_cards_are_sorted_by_quality_and_carry_what_the_filters_need():
    page = _Page(gallery_html('Boxes', CARDS))
    cards = [attrs for tag, attrs in page.tags if tag == 'article']
    assert [(c['data-status'], float(c['data-quality'])) for c in cards] == [
        ('dropped', 0.9),
        ('kept', 0.5),
        ('skipped', -1),
    ]
    assert {a.get('data-status') for tag, a in page.tags if tag == 'button'} == {
        '',
        'kept',
        'dropped',
        'skipped',
    }


def test_nothing_is_loaded_from_elsewhere():
    text = gallery_html('Boxes', CARDS, {'frames': {'eval_gap': 3}})
    assert not re.search(r'https?://|src="(?!data:)|<link', text)
    images = [a['src'] for tag, a in _Page(text).tags if tag == 'img' and 'src' in a]
    assert images == ['data:image/jpeg;base64,/9hqcGVn']


def test_names_are_text_not_markup():
    page = _Page(gallery_html('<b>&', CARDS))
    assert sum(tag == 'script' for tag, _ in page.tags) == 1 and not any(
        tag == 'b' and 'alert' in str(a) for tag, a in page.tags
    )
    assert '<script>alert(1)</script>"' in page.words and 'no & yes' in page.words


def test_words_are_explained_in_plain_text():
    page = _Page(gallery_html('Boxes', CARDS, legend=[('Q_v', 'share of <picked> frames')]))
    assert (
        'share of <picked> frames' in page.words and sum(tag == 'dt' for tag, _ in page.tags) == 1
    )
    assert not any(tag == 'dl' for tag, _ in _Page(gallery_html('Boxes', CARDS)).tags)


def test_empty_gallery_is_a_page():
    assert '</html>' in gallery_html('none', [])
