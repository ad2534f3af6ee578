"""Error bars and tests of two runs, held against SciPy's."""

import math

import numpy as np
import pytest
from scipy import stats

from chainrule.training.report.compared import chance


@pytest.mark.parametrize(("right", "rows"), [(0, 5), (5, 5), (1, 1), (351, 359), (29_700, 60_000)])
def test_the_interval_of_a_share_is_wilsons(right, rows):
    interval = stats.binomtest(right, rows).proportion_ci(method="wilson")
    assert chance.wilson(right, rows) == pytest.approx((interval.low, interval.high), abs=1e-12)


@pytest.mark.parametrize(("one", "other"), [(0, 0), (3, 0), (12, 4), (7, 7), (40, 61), (3000, 3300)])
def test_mcnemar_is_the_exact_test_of_the_rows_in_which_two_runs_differ(one, other):
    right = np.array([True] * one + [False] * other + [True] * 20 + [False] * 9)
    other_right = np.array([False] * one + [True] * other + [True] * 20 + [False] * 9)
    told = chance.mcnemar(right, other_right)
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert told.p == pytest.approx(expected, rel=1e-9)
    assert told.counted == f"{other} of {len(right)} rows right only here, {one} only there"


@pytest.mark.parametrize(("right", "other_right"), [(50, 50), (50, 60), (90, 70), (1, 99)])
def test_two_shares_are_told_apart_as_by_the_table_of_their_rows(right, other_right):
    table = [[right, 100 - right], [other_right, 100 - other_right]]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert chance.two_proportions(right, other_right, 100).p == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("right", [0, 100])
def test_two_shares_without_a_spread_are_not_told_apart(right):
    assert chance.two_proportions(right, right, 100).p == 1.0


def test_squared_errors_are_told_apart_by_their_pairs():
    one, other = np.random.default_rng(0).standard_normal((2, 40)) ** 2
    told = chance.paired_squares(one, other)
    assert told.p == pytest.approx(stats.ttest_rel(one, other).pvalue, rel=1e-9)
    assert told.counted == f"{int((other < one).sum())} of 40 rows are closer here"
    assert chance.paired_squares(one, one).p == 1.0
    assert math.isnan(chance.paired_squares(np.ones(3), np.zeros(3)).p)


def test_the_interval_of_an_error_is_that_of_its_mean_square():
    squares = np.array([1.0, 4.0, 9.0, 2.0])
    mean, half = 4.0, 1.959963984540054 * np.std(squares, ddof=1) / 2
    assert chance.of_error(squares) == pytest.approx((math.sqrt(mean - half), math.sqrt(mean + half)))
    assert chance.of_error(np.array([0.0, 100.0]))[0] == 0.0


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    inside = 0
    for right in rng.binomial(200, 0.9, 2000):
        low, high = chance.wilson(int(right), 200)
        inside += low <= 0.9 <= high
    assert 0.93 < inside / 2000 < 0.97
