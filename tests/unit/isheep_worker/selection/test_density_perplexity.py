"""DensityPerplexity keeps the pair with the lowest perplexity; of equal ones the lower id."""

from hypothesis import given
from hypothesis import strategies as st

from isheep_worker.rows.schema import MeasureRow, PairRow
from isheep_worker.selection.density_perplexity import decide, likeliest

# Few different losses, so that pairs have equal ones.
CLUSTERED = st.dictionaries(
    st.text(max_size=6), st.tuples(st.integers(0, 5), st.sampled_from([0.5, 1.0, 2.0])), max_size=40
)


@given(CLUSTERED, st.randoms(use_true_random=False))
def test_the_pair_with_the_lowest_loss_is_chosen_in_any_order_of_pairs(clusters, rng) -> None:
    items = [(id_, *values) for id_, values in clusters.items()]
    chosen = likeliest(items)
    rng.shuffle(items)
    assert likeliest(items) == chosen
    assert sorted(clusters[id_][0] for id_ in chosen) == sorted({c for c, _ in clusters.values()})
    for id_ in chosen:
        cluster, loss = clusters[id_]
        rivals = [(other, other_id) for other_id, (c, other) in clusters.items() if c == cluster]
        assert min(rivals) == (loss, id_)


def test_a_dropped_pair_has_a_reason() -> None:
    pair = PairRow("a", "Name a bird.", "", "A wren.", "stop", 9, 4)
    measure = MeasureRow("a", response_loss=1.0, pair_loss=1.0, vector="AAA=")
    assert decide(pair, measure, frozenset({"a"})).kept
    assert decide(pair, measure, frozenset({"b"})).reason == "cluster-perplexity"
