"""The plot of the calibration: of what was measured on packages kept out, and of nothing else."""

import pytest

pytest.importorskip("matplotlib", reason="the extra `eval` is not installed: pip install 'fathom-search[eval]'")
from benchmarks.calibrate import Case, chances, fit, reliability
from benchmarks.reliability import panels, plot
from indexer.errors import UsageError
from search.classes import QueryClass


def measured(area=0.876):
    bins = [{"cases": 40, "said": 0.1, "right": 0.05}, {"cases": 0, "said": 0.0, "right": 0.0}]
    return {"auc answerable": area, "reliability": [*bins, {"cases": 9, "said": 0.9, "right": 0.8}]}


def test_figures_are_told_by_class_and_depth():
    figures = {
        "machine": {"cores": 2},
        "depth 0, language": {"left out in turn": {}, "kept out": measured(0.8)},
        "depth 6, language": {"left out in turn": {}, "kept out": measured(0.9)},
        "depth 6, symbol": {"left out in turn": {}},
    }
    found = panels(figures)
    assert {name: list(depths) for name, depths in found.items()} == {"language": ["0", "6"]}
    assert found["language"]["6"]["auc answerable"] == 0.9


@pytest.mark.parametrize("figures", [{}, {"machine": {}}, {"depth 6, symbol": {"left out in turn": {}}}])
def test_figures_without_packages_kept_out_are_refused(figures, tmp_path):
    with pytest.raises(UsageError, match="kept out"):
        plot(figures, tmp_path / "plot.svg")


def test_the_plot_names_the_area_has_no_ground_and_is_the_same_each_time(tmp_path):
    figures = {
        f"depth {depth}, {name}": {"kept out": measured()} for depth in (0, 6) for name in ("language", "symbol")
    }
    for name in ("one.svg", "other.svg"):
        plot(figures, tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "other.svg").read_text()
    assert "<!-- questions in words: AUC 0.876 and 0.876 -->" in text
    assert "<!-- names: AUC 0.876 and 0.876 -->" in text
    assert "fill: #ffffff" not in text


def test_what_is_well_calibrated_lies_on_the_diagonal():
    cases = [
        Case("a", False, QueryClass.LANGUAGE, {"cosine": right * 0.5 + step / 40}, bool(step % 2), bool(right))
        for step in range(40)
        for right in ((1, 1, 0) if step > 20 else (0, 0, 1))
    ]
    model = fit(cases, ["cosine"])
    for found in reliability(cases, chances(cases, model)):
        assert not found["cases"] or abs(found["said"] - found["right"]) < 0.35
    assert sum(found["cases"] for found in reliability(cases, chances(cases, model))) == len(cases)
