"""The chain of cells: pools and splits over several levels, circles, gaps, every name to look up, and what a look-back reaches."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.actions.world import study_of
from tests.core.chain_cases import STUDY, Told, at, plain_chain
from trialcrf.core.cells import Chain, How, NodeId, NodeKind, chain, donation_numbers, donors_of, look_back, trace
from trialcrf.core.product.graph import DOWN, HEIGHT, WIDTH, picture
from trialcrf.core.product.identity import Kind, NotThisLabel, label
from trialcrf.core.product.lookup import look_up

D, N, L, B, R = NodeKind
FIRST, SECOND = "FR0001230000000123456", "FR0001230000000999999"
CODE = "FR0001230000000123456E000004300120260930"


def made(told: Told) -> Chain:
    return chain(STUDY, told.subjects)


def keys(nodes, kind: NodeKind | None = None) -> list[str]:
    return [node.key for node in nodes if kind in (None, node.kind)]


def pooled() -> Told:
    """Two donors; a batch of each; a pool of both batches; the pool split into two batches with a bag each, given to two recipients."""
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001", FIRST),))
    told.batch("B-01-002", "LOT-2", (told.donation("D-01-002", SECOND),))
    told.batch("B-01-003", "POOL", origins=("B-01-001", "B-01-002"), pool="POOL-7")
    for key, lot, bag, recipient in (("B-01-004", "SPLIT-A", "BAG-A", "R-01-001"), ("B-02-005", "SPLIT-B", "BAG-B", "R-02-001")):
        told.batch(key, lot, origins=("B-01-003",))
        told.bag(key, bag)
        told.check(recipient, bag, at("11:00"))
        told.infuse(recipient, bag, when=at("12:00"))
    told.bag("B-01-001", "BAG-1")
    return told


def test_a_recipient_leads_back_to_every_donor_over_pool_and_split():
    whole = made(pooled())
    found = trace(whole, [NodeId(R, "R-02-001")])
    assert keys(found.upstream, D) == ["D-01-001", "D-01-002"]
    assert keys(found.upstream, L) == ["B-01-001", "B-01-002", "B-01-003", "B-02-005"]
    assert keys(found.upstream, B) == ["BAG-B"]
    assert found.downstream == ()
    assert found.gaps == ()


def test_a_donor_leads_on_to_every_recipient_and_to_no_other_donor():
    found = trace(made(pooled()), [NodeId(D, "D-01-001")])
    assert keys(found.downstream, R) == ["R-01-001", "R-02-001"]
    assert keys(found.downstream, L) == ["B-01-001", "B-01-003", "B-01-004", "B-02-005"]
    assert found.upstream == ()


def test_from_the_middle_both_ways_and_no_side_branch():
    found = trace(made(pooled()), [NodeId(L, "B-01-004")])
    assert keys(found.nodes, L) == ["B-01-001", "B-01-002", "B-01-003", "B-01-004"]
    assert keys(found.nodes, B) == ["BAG-A"]
    assert (keys(found.downstream), keys(found.upstream, D)) == (["BAG-A", "R-01-001"], ["D-01-001", "D-01-002"])
    named = {(edge.source.key, edge.target.key) for edge in found.edges}
    assert ("B-01-003", "B-01-004") in named and ("B-01-003", "B-02-005") not in named and ("B-01-001", "BAG-1") not in named


def test_each_edge_says_how_and_when():
    told = plain_chain()
    hows = {(edge.how, edge.source.kind, edge.target.kind): edge.at for edge in made(told).edges}
    assert hows == {
        (How.HARVESTED, D, N): at("09:00", 17),
        (How.GROWN, N, L): "",
        (How.FILLED, L, B): "",
        (How.CHECKED, B, R): at("14:00"),
        (How.INFUSED, B, R): at("15:00"),
    }
    assert [edge.how for edge in made(pooled()).edges if edge.source.kind is edge.target.kind] == [How.DERIVED] * 4


def test_a_circle_of_batches_ends_the_walk():
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001", FIRST),), ("B-01-002",))
    told.batch("B-01-002", "LOT-2", origins=("B-01-001",))
    found = trace(made(told), [NodeId(L, "B-01-002")])
    assert keys(found.upstream) == ["D-01-001", "D-01-001/H0/1/HARVEST/1", "B-01-001"]
    assert keys(found.downstream) == ["B-01-001"]
    assert len(picture(found.nodes, found.edges).spots) == 4


def test_a_batch_that_names_itself_is_not_its_own_origin():
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001", FIRST),), ("B-01-001",))
    assert [edge.how for edge in made(told).edges] == [How.HARVESTED, How.GROWN]


# --- Gaps -------------------------------------------------------------------------------------------------------------


def gaps(told: Told) -> list[tuple[str, str]]:
    return [(gap.at.key, gap.message.msgid) for gap in made(told).gaps]


def test_a_donation_that_is_not_recorded_is_a_gap_at_its_batch():
    told = Told()
    told.batch("B-01-001", "LOT-1", ("D-01-009/H0/1/HARVEST/1",))
    assert gaps(told) == [("B-01-001", "Batch %(batch)s names a donation that is not recorded.")]
    assert keys(trace(made(told), [NodeId(L, "B-01-001")]).upstream) == ["D-01-009/H0/1/HARVEST/1"]


def test_a_batch_of_origin_that_is_not_recorded_is_a_gap():
    told = Told()
    told.batch("B-01-001", "LOT-1", origins=("B-01-009",))
    assert gaps(told) == [("B-01-001", "Batch %(batch)s names a batch that is not recorded.")]


def test_a_batch_without_any_origin_is_a_gap():
    told = Told()
    told.batch("B-01-001", "LOT-1")
    assert gaps(told) == [("B-01-001", "Batch %(batch)s has no recorded origin.")]


def test_a_harvest_without_its_number_is_in_the_chain_and_a_gap():
    told = Told()
    told.batch("B-01-001", "LOT-1", (told.donation("D-01-001"),))
    assert gaps(told) == [("D-01-001/H0/1/HARVEST/1", "The donation of %(donor)s has no number.")]
    assert keys(donors_of(made(told), "B-01-001")) == ["D-01-001"]


def test_a_bag_that_was_used_and_that_no_batch_filled_is_told_once():
    told = plain_chain()
    told.check("R-01-001", "LOST", at("15:00"))
    told.infuse("R-01-001", "LOST", when=at("16:00"))
    told.move("B-01-001", "ONLY-MOVED", "THAWED", at("16:00"))
    assert gaps(told) == [("LOST", "Bag %(bag)s was used, and no batch is recorded to have filled it.")]
    found = trace(made(told), [NodeId(R, "R-01-001")])
    assert (keys(found.upstream), len(found.gaps)) == (["LOST"], 1)
    assert trace(made(told), [NodeId(R, "R-02-001")]).gaps == ()


def test_a_study_without_cells_has_no_chain():
    with pytest.raises(ValueError, match="no chain of cells"):
        chain(study_of("salt"), [])


# --- Names ------------------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_batch_are_those_of_its_donations_and_of_the_pools_on_the_way():
    whole = made(pooled())
    assert donation_numbers(whole, "B-01-001") == {FIRST}
    assert donation_numbers(whole, "B-01-004") == {FIRST, SECOND, "POOL-7"}
    assert donation_numbers(whole, "B-09-009") == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("D-01-001", [(D, "D-01-001")]),
        (FIRST, [(N, "D-01-001/H0/1/HARVEST/1")]),
        ("D-01-001/H0/1/HARVEST/1", [(N, "D-01-001/H0/1/HARVEST/1")]),
        ("B-01-001", [(L, "B-01-001")]),
        (" LOT-1 ", [(L, "B-01-001")]),
        ("lot-1", [(L, "B-01-001")]),
        ("POOL-7", [(L, "B-01-003")]),
        ("BAG-A", [(B, "BAG-A")]),
        ("R-02-001", [(R, "R-02-001")]),
        (label("msc_ssc", Kind.BAG, "BAG-A"), [(B, "BAG-A")]),
        (label("msc_ssc", Kind.BATCH, "LOT-1"), [(L, "B-01-001")]),
        (label("msc_ssc", Kind.BATCH, "B-01-001"), [(L, "B-01-001")]),
        (label("msc_ssc", Kind.WRISTBAND, "R-01-001"), [(R, "R-01-001")]),
        (label("msc_ssc", Kind.DONATION, SECOND), [(N, "D-01-002/H0/1/HARVEST/1")]),
        (label("msc_ssc", Kind.DONATION, "POOL-7"), [(L, "B-01-003")]),
        (label("msc_ssc", Kind.WRISTBAND, "BAG-A"), []),
        ("]C1" + label("msc_ssc", Kind.BAG, "BAG-A"), [(B, "BAG-A")]),
        (CODE, [(N, "D-01-001/H0/1/HARVEST/1")]),
        ("", []),
        ("B-01", []),
        ("D-09-009", []),
    ],
)  # fmt: skip
def test_what_somebody_scans_or_types_is_found(text, found):
    assert [(node.kind, node.key) for node in look_up(made(pooled()), "msc_ssc", text)] == found


def test_a_european_code_that_is_on_a_bag_means_the_bag():
    told = pooled()
    told.bag("B-01-001", CODE)
    assert [(node.kind, node.key) for node in look_up(made(told), "msc_ssc", CODE)] == [(B, CODE)]


def test_one_name_of_several_things_finds_them_all_and_capitals_decide_only_where_nothing_has_the_exact_name():
    told = pooled()
    told.bag("B-01-001", "LOT-2")
    told.bag("B-01-001", "lot-1")
    assert [(node.kind, node.key) for node in look_up(made(told), "msc_ssc", "LOT-2")] == [(L, "B-01-002"), (B, "LOT-2")]
    assert [(node.kind, node.key) for node in look_up(made(told), "msc_ssc", "lot-1")] == [(B, "lot-1")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (label("msc_ssc", Kind.BAG, "BAG-A")[:-1] + "?", "check character"),
        (label("other", Kind.BAG, "BAG-A"), "another study"),
        (CODE[:-8] + "20260230", "no day"),
        (CODE.lower(), "capital"),
        (CODE[:-1], "characters"),
    ],
)
def test_a_label_or_code_that_is_wrong_is_refused_and_never_searched_as_a_name(text, why):
    with pytest.raises(NotThisLabel) as refused:
        look_up(made(pooled()), "msc_ssc", text)
    said = refused.value.message
    assert why in str((said.msgid, said.params))


# --- Look-back --------------------------------------------------------------------------------------------------------


def test_a_look_back_reaches_all_that_came_of_the_donor():
    told = pooled()
    told.bag("B-01-003", "SPARE")
    told.bag("B-01-003", "SENT")
    told.move("B-01-003", "SENT", "SHIPPED", at("12:00"), "WARD")
    told.bag("B-01-003", "GONE")
    told.move("B-01-003", "GONE", "DISCARDED", at("12:00"))
    found = look_back(made(told), NodeId(D, "D-01-002"))
    assert keys(found.batches) == ["B-01-002", "B-01-003", "B-01-004", "B-02-005"]
    assert [bag.code for bag in found.on_hand] == ["SENT", "SPARE"]
    assert [bag.code for bag in found.given] == ["BAG-A", "BAG-B"]
    assert [bag.code for bag in found.discarded] == ["GONE"]
    assert (found.recipients, found.sites) == (("R-01-001", "R-02-001"), ("01", "02"))


def test_a_look_back_counts_every_donation_of_the_donor():
    told = plain_chain()
    told.batch("B-01-002", "LOT-2", (told.donation("D-01-001", SECOND, repeat=2),))
    assert keys(look_back(made(told), NodeId(D, "D-01-001")).batches) == ["B-01-001", "B-01-002"]
    assert keys(look_back(made(told), NodeId(N, "D-01-001/H0/1/HARVEST/2")).batches) == ["B-01-002"]


def test_a_look_back_from_a_batch_holds_the_batch():
    assert keys(look_back(made(pooled()), NodeId(L, "B-01-003")).batches) == ["B-01-003", "B-01-004", "B-02-005"]


def test_who_was_about_to_get_a_bag_is_reached_too_and_got_none():
    told = plain_chain()
    told.check("R-02-002", "LOT-1-B", at("16:00"))
    found = look_back(made(told), NodeId(D, "D-01-001"))
    assert found.recipients == ("R-02-001", "R-02-002")
    assert [bag.code for bag in found.given] == ["LOT-1-A"]


def test_an_infusion_that_contradicts_the_movements_is_given_all_the_same():
    told = plain_chain()
    told.move("B-01-001", "LOT-1-B", "DISCARDED", at("16:00"))
    told.infuse("R-02-002", "LOT-1-B", when=at("17:00"))
    found = look_back(made(told), NodeId(D, "D-01-001"))
    assert [bag.code for bag in found.given] == ["LOT-1-A", "LOT-1-B"]
    assert "R-02-002" in found.recipients


# --- The picture ------------------------------------------------------------------------------------------------------


def test_the_picture_has_a_column_for_each_kind_and_one_for_each_level_of_batches():
    found = trace(made(pooled()), [NodeId(D, "D-01-001")])
    drawn = picture(found.nodes, found.edges, found.starts)
    assert [column.kind for column in drawn.columns] == [D, N, L, L, L, B, R]
    assert len({column.x for column in drawn.columns}) == 7
    assert [spot.node.key for spot in drawn.spots if spot.start] == ["D-01-001"]
    assert [one.hows for one in drawn.between][-1] == (How.CHECKED, How.INFUSED)


def test_no_two_things_overlap_and_every_line_runs_from_its_source_to_its_target():
    found = trace(made(pooled()), [NodeId(L, "B-01-003")])
    drawn = picture(found.nodes, found.edges)
    at_ = {spot.node.id: (spot.x, spot.y) for spot in drawn.spots}
    assert len(at_) == len(found.nodes)
    places = sorted(at_.values())
    assert all(x2 > x1 or y2 >= y1 + HEIGHT + DOWN for (x1, y1), (x2, y2) in pairwise(places))
    assert all(0 <= x <= drawn.width - WIDTH and 0 <= y <= drawn.height - HEIGHT for x, y in places)
    assert len(drawn.lines) == len(found.edges)
    for line in drawn.lines:
        (x1, y1), (x2, y2) = at_[line.edge.source], at_[line.edge.target]
        assert line.path.startswith(f"M{x1 + WIDTH:g} {y1 + HEIGHT / 2:g}"), line
        assert (line.x, line.y) == (x2, y2 + HEIGHT / 2)
        assert line.path.endswith(f"{x2:g} {y2 + HEIGHT / 2:g}")


def test_a_line_that_passes_a_column_goes_between_its_things():
    told = pooled()
    told.bag("B-01-003", "FROM-POOL")
    found = trace(made(told), [NodeId(L, "B-01-003")])
    drawn = picture(found.nodes, found.edges)
    (line,) = [one for one in drawn.lines if one.edge.target.key == "FROM-POOL"]
    splits = [spot for spot in drawn.spots if spot.node.key in ("B-01-004", "B-02-005")]
    level = float(line.path.partition("H")[0].rsplit(" ", 1)[1])
    assert all(not spot.y < level < spot.y + HEIGHT for spot in splits)


def test_the_same_trace_gives_the_same_picture_and_nothing_gives_an_empty_one():
    found = trace(made(pooled()), [NodeId(D, "D-01-001")])
    assert picture(found.nodes, found.edges) == picture(found.nodes, found.edges)
    assert picture((), ()).spots == ()
