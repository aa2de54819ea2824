//! Mermaid and DOT, for documents that draw by themselves.

use std::fmt::Write as _;

use super::model::{Group, Picture};

/// Mermaid's flowchart.
#[must_use]
pub fn mermaid(picture: &Picture) -> String {
    let mut out = format!("%% {}: {}\nflowchart LR\n", picture.title, picture.subtitle);
    for (index, group) in picture.boxes.iter().enumerate() {
        let shape = if group.data_bearing { ("[(", ")]") } else { ("[", "]") };
        let _ = writeln!(out, "  g{index}{}\"{}\"{}", shape.0, title(group), shape.1);
    }
    for link in &picture.links {
        let labels: Vec<&str> = link.labels.iter().map(String::as_str).collect();
        let _ = writeln!(out, "  g{} -->|\"{}\"| g{}", link.from, labels.join(", "), link.to);
    }
    out
}

/// Graphviz' language.
#[must_use]
pub fn dot(picture: &Picture) -> String {
    let mut out = format!(
        "digraph \"{}\" {{\n  rankdir=LR; node [shape=box, fontname=\"sans-serif\"];\n  label=\"{}\";\n",
        picture.title, picture.subtitle
    );
    for (index, group) in picture.boxes.iter().enumerate() {
        let shape = if group.data_bearing { ", shape=cylinder" } else { "" };
        let _ = writeln!(out, "  g{index} [label=\"{}\"{shape}];", title(group));
    }
    for link in &picture.links {
        let labels: Vec<&str> = link.labels.iter().map(String::as_str).collect();
        let _ = writeln!(out, "  g{} -> g{} [label=\"{}\"];", link.from, link.to, labels.join("\\n"));
    }
    out.push_str("}\n");
    out
}

fn title(group: &Group) -> String {
    if group.name == "users" { group.lines.join(" ") } else { format!("{} × {}", group.name, group.lines.len()) }
}
