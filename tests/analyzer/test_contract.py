"""Which test holds which property of the critical path's contract, plainly and compiled.

The compiled core gives the same segments, labels, sums and derived rows as the plain code on every
tree of `columnar` tests, so what holds for the plain code holds for it.

| property | plain | compiled |
| --- | --- | --- |
| 1, 5, 16 partition, empty roots, sums | test_segments_partition_the_root | test_sums_beyond_64_bits_are_exact |
| 2, 3 windows nest | test_windows_nest_and_hold_their_segments | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 4 siblings take turns | test_sibling_subtrees_take_turns | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 6 order of arrival | test_the_order_of_arrival_never_shows | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 7 shifted and scaled time | test_shifting_and_scaling_time_shifts_and_scales_the_path | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 8 renamed ids | test_renaming_spans_in_order_renames_them_in_the_path | test_columns_in_pieces_and_in_the_middle_of_others_are_read_as_well |
| 9 spans off the path | test_spans_off_the_path_may_as_well_be_missing | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 10 no duration | test_a_span_without_duration_changes_no_path | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 11 covered leaf | test_a_child_that_covers_a_leaf_takes_its_segments | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 12 in turn, or all at once | test_sequential_children_leave_the_parent_the_gaps | test_every_case_is_explained_as_plainly_in_every_mode |
| 13 clip and detach | test_detaching_only_takes_spans_out_of_the_primary_tree | test_every_case_is_explained_as_plainly_in_every_mode |
| 14 tolerance | test_the_tolerance_changes_nothing_where_siblings_do_not_overlap | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 15 the definition | test_the_path_is_the_one_of_the_definition_at_every_instant | test_tens_of_thousands_of_random_traces_are_explained_as_one_by_one |
| 16 sums in any grouping | test_sums_merge_in_any_order_and_grouping | test_many_traces_add_up_to_the_same_with_and_without_compiled_code |
| 17 clocks | test_putting_clocks_right_once_is_enough | test_random_clocks_are_put_right_as_one_by_one |
| 18 what-if | test_claims_on_thousands_of_trees | test_compiled_loops_agree_on_thousands_of_traces |
| 19 causal mode | test_without_messages_it_is_the_critical_path | plain code only |
| 20 anything terminates | test_no_spans_whatsoever_break_the_analysis | test_wide_and_deep_traces_are_explained_as_plainly |
"""  # noqa: E501

from __future__ import annotations

import re
from pathlib import Path

from tests.analyzer.columnar.agreement import agrees
from tests.analyzer.columnar.seeded_traces import seeded_traces
from tests.analyzer.columnar.test_paths import (
    MODES,
    SEEDS_OF_FULL_FORM,
    TRACES_OF_SEED,
    TRACES_OF_SHORT_FORM,
)

HERE = Path(__file__).parent


def test_every_property_is_held_by_tests_that_exist() -> None:
    table = __doc__ or ""
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    held = {int(n) for row in rows for n in re.findall(r"\d+", row.split("|")[1])}
    assert held == set(range(1, 21))
    sources = "\n".join(path.read_text() for path in HERE.rglob("test_*.py"))
    named = set(re.findall(r"\btest_\w+", table))
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []


def test_two_thousand_random_trees_are_compared_in_every_run_and_far_more_in_the_full_one() -> None:
    assert len(seeded_traces(1, TRACES_OF_SHORT_FORM)) * len(MODES) >= 2_000
    assert len(SEEDS_OF_FULL_FORM) * TRACES_OF_SEED * len(MODES) >= 50_000
    assert agrees(seeded_traces(12, 20)) >= 0
