"""Density keeps one pair of each cluster, by the seed and the members of the cluster."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import MeasureRow, PairRow
from isheep_worker.selection.density import decide, draw
from isheep_worker.selection.random_sample import draw as draw_any

CLUSTERED = st.dictionaries(st.text(max_size=6), st.integers(0, 9), max_size=40)


@given(CLUSTERED, st.integers(), st.randoms(use_true_random=False))
def test_one_pair_of_each_cluster_is_drawn_in_any_order_of_pairs(clusters, seed, rng) -> None:
    items = list(clusters.items())
    drawn = draw(items, seed, "i1/select")
    rng.shuffle(items)
    assert draw(items, seed, "i1/select") == drawn
    assert sorted(clusters[id_] for id_ in drawn) == sorted(set(clusters.values()))


@given(CLUSTERED, st.permutations(range(10)))
def test_the_numbers_of_clusters_do_not_change_the_draw(clusters, names) -> None:
    renamed = {id_: names[cluster] for id_, cluster in clusters.items()}
    assert draw(renamed.items(), 0, "s") == draw(clusters.items(), 0, "s")


def test_the_draw_depends_on_the_seed_and_the_stage() -> None:
    items = [(str(number), number % 10) for number in range(100)]
    samples = {draw(items, seed, stage) for seed in (0, 1) for stage in ("i1/select", "i2/select")}
    assert len(samples) == 4


def test_the_draw_is_independent_of_that_of_random() -> None:
    ids = [str(number) for number in range(1000)]
    drawn = draw([(id_, int(id_) % 500) for id_ in ids], 0, "i1/select")
    common = drawn & draw_any(ids, 500, 0, "i1/select")
    assert 200 < len(common) < 300  # two fair draws of a half have a quarter in common


def test_each_dropped_pair_has_a_reason() -> None:
    pair = PairRow("a", "Name a bird.", "", "A wren.", "stop", 9, 4)
    measure = MeasureRow("a", response_loss=1.0, pair_loss=1.0, vector="AAA=")
    assert decide(pair, measure, frozenset({"a"})).kept
    assert decide(pair, measure, frozenset({"b"})).reason == "cluster-not-drawn"
    assert decide(pair, MeasureRow("a", rule="options"), frozenset({"a"})).reason == "options"
    unmeasured = MeasureRow("a", reason="unscorable-too-long")
    assert decide(pair, unmeasured, frozenset({"a"})).reason == "unscorable-too-long"
