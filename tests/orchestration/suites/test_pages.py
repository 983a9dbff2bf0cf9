"""`equipoise suites docs`: pages of what is expected and what was found, that load nothing from anywhere."""

from html.parser import HTMLParser
from pathlib import Path

from configs.suite_schema import Suite
from tests.orchestration.suites.weeks import judged_by

SUITE = """\
day:
  - {figure: rows_read, min_value: 300, note: "<b>weekends</b> are quieter"}
rows:
  - {expect: column_values_to_be_in_set, column: channel, value_set: [app, web]}
"""


class Links(HTMLParser):
    """What a page refers to, and the tags it is made of."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]


def test_every_source_has_a_page_that_needs_nothing_else(own_weeks, equipoise):
    (own_weeks.configs / "expectations").mkdir()
    (own_weeks.configs / "expectations" / "shop_events.yaml").write_text(SUITE)
    entry = {"expect": "column_values_to_be_in_set", "column": "channel", "value_set": ["app", "web"]}
    suite = Suite.model_validate({"day": [{"figure": "rows_read", "min_value": 300}], "rows": [entry]})
    judged_by(own_weeks, suite, list(range(7, 14)))

    printed = equipoise(own_weeks, "suites", "docs")
    index = own_weeks.state / "suites" / "index.html"
    assert (printed.status, printed.out, printed.err) == (0, f"{index}\n", "")
    pages = {path.name: Links(path) for path in index.parent.iterdir()}
    assert set(pages) == {"index.html", "shop_events.html", "web_exposures.html"}
    for page in pages.values():
        assert set(page.links) <= set(pages)
        assert not page.tags & {"script", "link", "img", "iframe"}

    text = (index.parent / "shop_events.html").read_text()
    assert "&lt;b&gt;weekends&lt;/b&gt; are quieter" in text
    assert "wbe in 100 % of the sampled rows" in text and "channel: wbe; event_id: " in text
    assert text.count('class="day warned"') == 3  # two days of a weekend, and the misspelt channel
    assert "the built-in expectations hold" in (index.parent / "web_exposures.html").read_text()


def test_before_any_day(own_weeks, equipoise, tmp_path):
    printed = equipoise(type(own_weeks)(own_weeks.configs, own_weeks.data, tmp_path / "new"), "suites", "docs")
    assert printed.status == 0
    assert "No day of this source is in the lake yet." in (tmp_path / "new" / "suites" / "shop_events.html").read_text()
