//! Charts of bars as SVG, in the colours that the reader's system prefers.

use crate::comparison::Comparison;
use crate::peers::FLOOR;
use crate::table::Unit;
use std::fmt::Write as _;

/// In pixels, as all lengths here.
const WIDTH: f64 = 720.0;
/// Where the bars begin; the labels stand before it.
const LEFT: f64 = 220.0;
/// The longest bar; its value stands behind it.
const LONGEST: f64 = 400.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TOP: f64 = 44.0;

const STYLE: &str = "
  <style>
    text { font: 13px sans-serif; fill: #1f2328; }
    .title { font-weight: bold; }
    .ours { fill: #0969da; }
    .other { fill: #8c959f; }
    .floor { fill: #c8ccd1; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .ours { fill: #4493f8; }
      .other { fill: #7d8590; }
      .floor { fill: #484f58; }
    }
  </style>";

/// A bar: its label, its length in the unit of the chart, and its class.
struct Bar<'a> {
    label: &'a str,
    value: f64,
    class: &'a str,
}

/// One bar for each program, the shortest first.
pub(crate) fn draw(comparison: &Comparison, ours: &str, title: &str) -> String {
    let mut bars = vec![Bar {
        label: ours,
        value: comparison.ours.median,
        class: "ours",
    }];
    bars.extend(comparison.floor.map(|floor| Bar {
        label: FLOOR,
        value: floor.median,
        class: "floor",
    }));
    bars.extend(comparison.peers.iter().filter_map(|(name, theirs)| {
        Some(Bar {
            label: name,
            value: theirs.as_ref()?.median,
            class: "other",
        })
    }));
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    svg(&bars, comparison.unit, title)
}

fn svg(bars: &[Bar], unit: Unit, title: &str) -> String {
    let longest = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let height = TOP + STEP * bars.len() as f64;
    let title = escaped(title);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n  <title>{title}</title>{STYLE}\n  \
         <text class=\"title\" x=\"10\" y=\"24\">{title}</text>\n"
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = TOP + STEP * at as f64;
        let length = (bar.value / longest * LONGEST).max(1.0);
        let (base, behind) = (y + BAR - 5.0, LEFT + length + 6.0);
        let (label, class, before) = (escaped(bar.label), bar.class, LEFT - 8.0);
        let value = unit.show(bar.value);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  <text x=\"{before}\" y=\"{base}\" text-anchor=\"end\">{label}</text>\n  \
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" \
             height=\"{BAR}\"/>\n  <text x=\"{behind:.1}\" y=\"{base}\">{value}</text>\n"
        );
    }
    text.push_str("</svg>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
