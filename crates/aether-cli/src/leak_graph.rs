//! `--graph`: the cycles of a leak report as a picture, or as a text for Graphviz.
//!
//! Each cycle is a card: its members one below the other, an arrow for each reference with the name of what holds it, and
//! the way back on the right. The reference that should be weak is drawn dashed and in another colour.

use std::fmt::Write as _;
use std::path::Path;

use aether::{Leak, LeakPlace, LeakReport};

use crate::xml::escaped;

/// Most cycles that are drawn.
const MAX_CARDS: usize = 60;
/// Cards in a row.
const COLUMNS: usize = 2;
/// Sizes in pixels.
const CARD: usize = 560;
const MARGIN: usize = 24;
const BOX_WIDTH: usize = 400;
const BOX_HEIGHT: usize = 44;
const STEP: usize = 84;
const TITLE: usize = 40;
/// Characters that fit into a box and a title.
const BOX_TEXT: usize = 54;
const TITLE_TEXT: usize = 70;

const STYLE: &str = "text{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;fill:#1f2328}\
.title{font-weight:600}.type{font-weight:600}.place{fill:#57606a;font-size:11px}\
.card{fill:#f6f8fa;stroke:#d0d7de}.box{fill:#ffffff;stroke:#8c959f}\
.edge{fill:none;stroke:#57606a;stroke-width:1.5}.weak{stroke:#cf222e;stroke-dasharray:5 3;stroke-width:2}\
.label{fill:#57606a}.weaklabel{fill:#cf222e;font-weight:600}";

/// The graph in the form that a file's name asks for: `.dot` or `.gv` for Graphviz, else SVG.
pub(crate) fn draw(report: &LeakReport, file: &Path) -> String {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("dot" | "gv") => dot(report),
        _ => svg(report),
    }
}

fn place(at: &LeakPlace) -> String {
    match (at.place.as_str(), at.function.as_str()) {
        ("", _) => "at an unknown place".to_owned(),
        (place, "") => format!("{place} at top level"),
        (place, function) => format!("{place} in {function}"),
    }
}

fn title(number: usize, leak: &Leak) -> String {
    let times = match leak.groups {
        1 => String::new(),
        groups => format!("{groups} times, "),
    };
    let objects = match leak.total.count {
        1 => "1 object".to_owned(),
        count => format!("{count} objects"),
    };
    format!("cycle {number}: {times}{objects}, {} bytes", leak.total.bytes)
}

/// A text of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    kept + "…"
}

fn height(leak: &Leak) -> usize {
    TITLE + leak.path.len() * STEP + MARGIN / 2
}

fn svg(report: &LeakReport) -> String {
    let shown = &report.cycles[..report.cycles.len().min(MAX_CARDS)];
    let mut cards = String::new();
    let mut bottoms = [MARGIN; COLUMNS];
    for (index, leak) in shown.iter().enumerate() {
        // Each card goes where there is most room.
        let column = (0..COLUMNS).min_by_key(|&column| bottoms[column]).unwrap_or(0);
        let x = MARGIN + column * (CARD + MARGIN);
        card(&mut cards, x, bottoms[column], index + 1, leak);
        bottoms[column] += height(leak) + MARGIN;
    }
    let mut tall = bottoms.iter().copied().max().unwrap_or(MARGIN);
    let rest = report.cycles.len() - shown.len();
    let note = match (shown.is_empty(), rest) {
        (true, _) => "no unreachable cycles".to_owned(),
        (false, 0) => String::new(),
        (false, rest) => format!("and {rest} more kinds of cycles"),
    };
    if !note.is_empty() {
        let _ = write!(cards, "<text x=\"{MARGIN}\" y=\"{}\">{note}</text>", tall + 14);
        tall += MARGIN + 14;
    }
    let wide = MARGIN + COLUMNS * (CARD + MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{tall}\" viewBox=\"0 0 {wide} {tall}\">\
         <style>{STYLE}</style><defs>{}{}</defs><rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>{cards}</svg>\n",
        marker("arrow", "#57606a"),
        marker("weakarrow", "#cf222e")
    )
}

fn marker(name: &str, colour: &str) -> String {
    format!(
        "<marker id=\"{name}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\" fill=\"{colour}\"/></marker>"
    )
}

fn card(out: &mut String, x: usize, y: usize, number: usize, leak: &Leak) {
    let tall = height(leak);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{CARD}\" height=\"{tall}\" rx=\"6\"/>\
         <text class=\"title\" x=\"{}\" y=\"{}\">{}</text>",
        x + 16,
        y + 25,
        escaped(&cut(&title(number, leak), TITLE_TEXT))
    );
    let left = x + 16;
    for (at, step) in leak.path.iter().enumerate() {
        let top = y + TITLE + at * STEP;
        let _ = write!(
            out,
            "<rect class=\"box\" x=\"{left}\" y=\"{top}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"4\"/>\
             <text class=\"type\" x=\"{}\" y=\"{}\">{}</text><text class=\"place\" x=\"{}\" y=\"{}\">{}</text>",
            left + 12,
            top + 18,
            escaped(&cut(&step.type_name, BOX_TEXT)),
            left + 12,
            top + 35,
            escaped(&cut(&place(&step.at), BOX_TEXT))
        );
        let is_weak = at == leak.weak;
        let class = if is_weak { "edge weak" } else { "edge" };
        let (marker, label) = if is_weak {
            ("weakarrow", "weaklabel")
        } else {
            ("arrow", "label")
        };
        let text = if is_weak {
            format!("{}: make this weak", step.edge)
        } else {
            step.edge.clone()
        };
        let bottom = top + BOX_HEIGHT;
        let middle = left + BOX_WIDTH / 2;
        if at + 1 < leak.path.len() {
            let _ = write!(
                out,
                "<path class=\"{class}\" marker-end=\"url(#{marker})\" d=\"M{middle} {bottom}V{}\"/>\
                 <text class=\"{label}\" x=\"{}\" y=\"{}\">{}</text>",
                bottom + STEP - BOX_HEIGHT - 1,
                middle + 10,
                bottom + 25,
                escaped(&text)
            );
        } else {
            let (right, first) = (left + BOX_WIDTH, y + TITLE + BOX_HEIGHT / 2);
            let from = top + BOX_HEIGHT / 2;
            // A cycle of one leaves above and comes back below.
            let (start, end) = if at == 0 {
                (from + 12, first - 12)
            } else {
                (from, first)
            };
            let _ = write!(
                out,
                "<path class=\"{class}\" marker-end=\"url(#{marker})\" d=\"M{right} {start}H{}V{end}H{}\"/>\
                 <text class=\"{label}\" x=\"{middle}\" y=\"{}\" text-anchor=\"start\">{}</text>",
                right + 40,
                right + 1,
                bottom + 22,
                escaped(&format!("back by {text}"))
            );
        }
    }
}

fn dot(report: &LeakReport) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = String::from(
        "digraph leaks {\n  node [shape=box, fontname=\"monospace\"];\n  edge [fontname=\"monospace\"];\n",
    );
    for (index, leak) in report.cycles.iter().enumerate() {
        let _ = writeln!(
            out,
            "  subgraph cluster_{index} {{\n    label=\"{}\";",
            quoted(&title(index + 1, leak))
        );
        for (at, step) in leak.path.iter().enumerate() {
            let _ = writeln!(
                out,
                "    n{index}_{at} [label=\"{}\\n{}\"];",
                quoted(&step.type_name),
                quoted(&place(&step.at))
            );
        }
        for (at, step) in leak.path.iter().enumerate() {
            let next = (at + 1) % leak.path.len();
            let style = if at == leak.weak {
                ", color=red, style=dashed"
            } else {
                ""
            };
            let _ = writeln!(
                out,
                "    n{index}_{at} -> n{index}_{next} [label=\"{}\"{style}];",
                quoted(&step.edge)
            );
        }
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}
