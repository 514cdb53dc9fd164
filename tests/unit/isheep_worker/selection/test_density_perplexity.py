"""DensityPerplexity keeps the likeliest pair of each cluster; ties fall to the lower id."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import MeasureRow, PairRow
from isheep_worker.selection.density_perplexity import decide, likeliest

# Few losses, so that there are ties.
CLUSTERED = st.dictionaries(
    st.text(max_size=6), st.tuples(st.integers(0, 5), st.sampled_from([0.5, 1.0, 2.0])), max_size=40
)


@given(CLUSTERED, st.randoms(use_true_random=False))
def test_the_best_of_each_cluster_in_whatever_order_they_come(clusters, rng) -> None:
    items = [(id_, *values) for id_, values in clusters.items()]
    chosen = likeliest(items)
    rng.shuffle(items)
    assert likeliest(items) == chosen
    assert sorted(clusters[id_][0] for id_ in chosen) == sorted({c for c, _ in clusters.values()})
    for id_ in chosen:
        cluster, loss = clusters[id_]
        rivals = [(other, other_id) for other_id, (c, other) in clusters.items() if c == cluster]
        assert min(rivals) == (loss, id_)


def test_reasons() -> None:
    pair = PairRow("a", "Name a bird.", "", "A wren.", "stop", 9, 4)
    measure = MeasureRow("a", response_loss=1.0, pair_loss=1.0, vector="AAA=")
    assert decide(pair, measure, frozenset({"a"})).kept
    assert decide(pair, measure, frozenset({"b"})).reason == "cluster:perplexity"
