"""Lines over steps as SVG: points where the axes say, odd numbers left out, neighbours told apart."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.training.report.svg_chart import cloud, histogram, line_chart


class TestTheChart:
    def points_in(self, drawing):
        paths = re.findall(r'<path class="line [^"]*" d="M([^"h]*)', drawing.partition("<ul")[0])
        return [[tuple(map(float, pair.split())) for pair in path.split("L")] for path in paths]

    @given(
        points=st.lists(st.tuples(st.integers(0, 10**6), st.floats()), min_size=1, max_size=30),
        log=st.booleans(),
    )
    def test_any_numbers_are_drawn_within_the_frame(self, points, log):
        drawing = line_chart({"a": sorted(points), "b": points[:1]}, label="<", log=log)
        for x, y in (point for line in self.points_in(drawing) for point in line):
            assert 74 <= x <= 480 - 28
            assert 14 <= y <= 290 - 54
        positions = re.findall(r'\b(?:x|y|cx|cy)="([^"]*)"', drawing)
        assert all(math.isfinite(float(position)) for position in positions)

    @pytest.mark.parametrize("log", [False, True])
    def test_a_point_stands_where_the_axes_say(self, log):
        ((first, middle, last),) = self.points_in(
            line_chart({"a": [(0, 1.0), (50, 10.0), (100, 100.0)]}, label="", log=log)
        )
        assert (first[0], middle[0], last[0]) == (74, 263, 452)
        assert last[1] == 14
        assert first[1] == pytest.approx(236 if log else 236 - 2.22, abs=0.06)
        assert middle[1] == pytest.approx(125 if log else 236 - 22.2, abs=0.06)

    def test_what_is_not_positive_has_no_logarithm(self):
        drawing = line_chart({"a": [(0, 0.0), (1, 5.0)], "b": [(0, 0.0)]}, label="", log=True)
        assert len(self.points_in(drawing)) == 1
        assert line_chart({"a": [(0, 0.0)]}, label="", log=True) == "<p>No number to draw.</p>"

    @pytest.mark.parametrize("log", [False, True])
    @pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
    def test_what_is_not_finite_is_left_out(self, odd, log):
        drawing = line_chart({"a": [(0, odd), (1, 5.0), (2, odd)]}, label="", log=log, mark=(0, odd))
        assert drawing == line_chart({"a": [(1, 5.0)]}, label="", log=log)
        assert line_chart({"a": [(0, odd)]}, label="", log=log) == "<p>No number to draw.</p>"

    def test_numbers_whose_distance_is_infinite_are_left_out(self):
        drawing = line_chart({"a": [(0, -1e307), (1, 1e307), (2, -1e308), (3, 1e308)]}, label="")
        assert len(self.points_in(drawing)[0]) == 2

    @pytest.mark.parametrize("log", [False, True])
    def test_steps_that_are_no_finite_numbers_are_left_out(self, log):
        points = [(-1e308, 1.0), (0, 1.0), (1, 2.0), (math.nan, 3.0), (math.inf, 4.0)]
        drawing = line_chart({"a": points}, label="", log=log, mark=(math.inf, 1.0))
        assert drawing == line_chart({"a": points[1:3]}, label="", log=log)

    def test_the_largest_numbers_have_an_axis(self):
        ((first, last),) = self.points_in(line_chart({"a": [(0, 1e308), (1, 1.0)]}, label="", log=True))
        assert (first[1], last[1]) == (14, 236)

    def test_neighbours_differ_in_colour_and_in_dashes(self):
        drawing = line_chart({f"layer {k}": [(0, k), (1, k)] for k in range(28)}, label="")
        kinds = re.findall(r'class="line (c\d d\d)"', drawing.partition("<ul")[2])
        assert len(set(kinds)) == 28
        assert all(a[:2] != b[:2] and a[3:] != b[3:] for a, b in pairwise(kinds))

    def test_lines_may_be_told_how_they_look(self):
        looks = [(2, 0), (2, 1)]
        drawing = line_chart({"a": [(0, 1), (1, 1)], "b": [(0, 1), (1, 1)]}, label="", looks=looks)
        assert re.findall(r'class="line (c\d d\d)"', drawing.partition("<ul")[0]) == ["c2 d0", "c2 d1"]

    def test_points_of_equal_numbers_lie_on_the_line(self):
        drawing = cloud([(-3.0, -3.0), (10.0, 10.0), (4.0, 0.0)], label="<", across="number")
        line = re.findall(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', drawing)[-1]
        x0, y0, x1, y1 = map(float, line)
        first, second, third = (
            (float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawing)
        )
        for x, y in (first, second):
            assert (y - y0) / (y1 - y0) == pytest.approx((x - x0) / (x1 - x0), abs=0.001)
        assert (third[1] - y0) / (y1 - y0) < (third[0] - x0) / (x1 - x0)

    def test_blocks_are_as_high_as_their_counts(self):
        drawing = histogram([1, 4, 0], [0.0, 1.0, 2.0, 3.0], label="", across="off")
        heights = [float(height) for height in re.findall(r'width="[\d.]+" height="([\d.]+)"', drawing)]
        assert heights == pytest.approx([heights[1] / 4, heights[1], 0], abs=0.1)
