//! SVG, parsed and written anew from what is known to be harmless.
//!
//! Nothing is copied as text. Elements and attributes that are not listed are left out, and with an
//! element all that stands in it; so there are no scripts, no event handlers, no links, no foreign
//! markup, and nothing that a browser would fetch: references stay within the picture.

use super::{PictureError, raster};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use roxmltree::{Document, Node, ParsingOptions};

const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Elements, attributes and texts of the largest picture read.
const NODES_MAX: u32 = 50_000;
/// Elements within each other.
const DEPTH_MAX: usize = 48;

const ELEMENTS: [&str; 42] = [
    "svg",
    "g",
    "defs",
    "symbol",
    "use",
    "title",
    "desc",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "textPath",
    "image",
    "style",
    "linearGradient",
    "radialGradient",
    "stop",
    "pattern",
    "clipPath",
    "mask",
    "marker",
    "filter",
    "feBlend",
    "feColorMatrix",
    "feComponentTransfer",
    "feComposite",
    "feFlood",
    "feFuncA",
    "feFuncB",
    "feFuncG",
    "feFuncR",
    "feGaussianBlur",
    "feMerge",
    "feMergeNode",
    "feMorphology",
    "feOffset",
    "switch",
];

const ATTRIBUTES: [&str; 145] = [
    "alignment-baseline",
    "amplitude",
    "baseline-shift",
    "class",
    "clip",
    "clip-path",
    "clip-rule",
    "clipPathUnits",
    "color",
    "color-interpolation",
    "color-interpolation-filters",
    "color-rendering",
    "cx",
    "cy",
    "d",
    "direction",
    "display",
    "dominant-baseline",
    "dx",
    "dy",
    "enable-background",
    "exponent",
    "fill",
    "fill-opacity",
    "fill-rule",
    "filter",
    "filterUnits",
    "flood-color",
    "flood-opacity",
    "font-family",
    "font-size",
    "font-size-adjust",
    "font-stretch",
    "font-style",
    "font-variant",
    "font-weight",
    "fr",
    "fx",
    "fy",
    "gradientTransform",
    "gradientUnits",
    "height",
    "id",
    "image-rendering",
    "in",
    "in2",
    "intercept",
    "isolation",
    "k1",
    "k2",
    "k3",
    "k4",
    "kerning",
    "lengthAdjust",
    "letter-spacing",
    "lighting-color",
    "marker-end",
    "marker-mid",
    "marker-start",
    "markerHeight",
    "markerUnits",
    "markerWidth",
    "mask",
    "mask-type",
    "maskContentUnits",
    "maskUnits",
    "method",
    "mix-blend-mode",
    "mode",
    "offset",
    "opacity",
    "operator",
    "order",
    "orient",
    "overflow",
    "paint-order",
    "pathLength",
    "patternContentUnits",
    "patternTransform",
    "patternUnits",
    "points",
    "preserveAspectRatio",
    "primitiveUnits",
    "r",
    "radius",
    "refX",
    "refY",
    "result",
    "role",
    "rotate",
    "rx",
    "ry",
    "scale",
    "seed",
    "shape-rendering",
    "side",
    "slope",
    "spacing",
    "spreadMethod",
    "startOffset",
    "stdDeviation",
    "stop-color",
    "stop-opacity",
    "stroke",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "stroke-opacity",
    "stroke-width",
    "style",
    "surfaceScale",
    "systemLanguage",
    "tableValues",
    "text-anchor",
    "text-decoration",
    "text-overflow",
    "text-rendering",
    "textLength",
    "transform",
    "transform-origin",
    "type",
    "unicode-bidi",
    "values",
    "vector-effect",
    "version",
    "viewBox",
    "visibility",
    "white-space",
    "width",
    "word-spacing",
    "writing-mode",
    "x",
    "x1",
    "x2",
    "xChannelSelector",
    "y",
    "y1",
    "y2",
    "yChannelSelector",
    "z",
    "aria-label",
    "aria-hidden",
    "focusable",
];

/// The picture written anew.
pub(super) fn rewrite(text: &str) -> Result<String, PictureError> {
    // No document type, so no entities of its own either.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let text = without_doctype(text);
    let document = Document::parse_with_options(&text, options);
    written(&document.map_err(|error| PictureError::Svg(error.to_string()))?)
}

/// Drawing programs write a document type that says nothing; one with declarations of its own stays,
/// and is refused.
fn without_doctype(text: &str) -> String {
    let Some(start) = text.find("<!DOCTYPE") else { return text.to_owned() };
    let rest = &text[start..];
    match (rest.find('>'), rest.find('[')) {
        (Some(end), bracket) if bracket.is_none_or(|bracket| bracket > end) => {
            format!("{}{}", &text[..start], &rest[end + 1..])
        }
        _ => text.to_owned(),
    }
}

fn written(document: &Document<'_>) -> Result<String, PictureError> {
    let root = document.root_element();
    if !root.has_tag_name((SVG, "svg")) {
        return Err(PictureError::Kind);
    }
    let positive = |name: &str| root.attribute(name).is_none_or(|value| leading_number(value).is_some_and(|n| n > 0.0));
    let view_box: Option<Vec<f64>> = root.attribute("viewBox").map(|value| {
        let numbers = value.split([' ', ',', '\t', '\n', '\r']).filter(|piece| !piece.is_empty());
        numbers.map(|number| number.parse().unwrap_or(f64::NAN)).collect()
    });
    let has_size = match &view_box {
        Some(numbers) => {
            numbers.len() == 4 && numbers.iter().all(|n| n.is_finite()) && numbers[2] > 0.0 && numbers[3] > 0.0
        }
        None => root.has_attribute("width") && root.has_attribute("height"),
    };
    if !has_size || !positive("width") || !positive("height") {
        return Err(PictureError::Dimensions);
    }
    let mut out = String::new();
    element(root, 0, &mut out)?;
    Ok(out)
}

fn leading_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    text[..end].parse().ok()
}

fn element(node: Node<'_, '_>, depth: usize, out: &mut String) -> Result<(), PictureError> {
    if depth > DEPTH_MAX {
        return Err(PictureError::Svg(format!("more than {DEPTH_MAX} elements stand within each other")));
    }
    let name = node.tag_name();
    let Some(kind) = ELEMENTS.iter().find(|known| name.namespace() == Some(SVG) && **known == name.name()) else {
        return Ok(());
    };
    if *kind == "style" {
        return style(node, out);
    }
    let mut attributes = String::new();
    for attribute in node.attributes() {
        let value = attribute.value();
        match (attribute.namespace(), attribute.name()) {
            (None | Some(XLINK), "href") if may_refer(kind, value) => push(&mut attributes, "href", value),
            (Some(XML), "space") if matches!(value, "preserve" | "default") => {
                push(&mut attributes, "xml:space", value)
            }
            (None, name) if ATTRIBUTES.contains(&name) && is_plain(value) => push(&mut attributes, name, value),
            _ => {}
        }
    }
    // A picture in the picture that is none is nothing.
    if *kind == "image" && !attributes.contains(" href=") {
        return Ok(());
    }
    out.push('<');
    out.push_str(kind);
    if depth == 0 {
        push(out, "xmlns", SVG);
    }
    out.push_str(&attributes);
    out.push('>');
    for child in node.children() {
        if child.is_element() {
            element(child, depth + 1, out)?;
        } else if child.is_text() {
            escape(child.text().unwrap_or_default(), out);
        }
    }
    out.push_str("</");
    out.push_str(kind);
    out.push('>');
    Ok(())
}

fn style(node: Node<'_, '_>, out: &mut String) -> Result<(), PictureError> {
    let css: String = node.children().filter(Node::is_text).filter_map(|text| text.text()).collect();
    if is_plain(&css) {
        out.push_str("<style>");
        escape(&css, out);
        out.push_str("</style>");
    }
    Ok(())
}

/// References lead into the picture itself; an image may carry its octets.
fn may_refer(element: &str, value: &str) -> bool {
    match element {
        "image" => ["png", "jpeg", "gif"].iter().any(|kind| {
            let octets = value.strip_prefix(&format!("data:image/{kind};base64,"));
            let octets = octets.map(|text| text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>());
            let octets = octets.and_then(|text| STANDARD.decode(text).ok());
            octets.and_then(|octets| raster::read(&octets)).is_some_and(|read| read.is_ok())
        }),
        _ => value.trim().strip_prefix('#').is_some_and(|id| !id.is_empty()),
    }
}

/// Whether a value or style sheet fetches nothing and runs nothing: no at-rules, no escapes that hide
/// words, and functions that take an address only with one in the picture.
fn is_plain(value: &str) -> bool {
    if value.contains(['\\', '@', '<']) {
        return false;
    }
    let lower: String = value.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let forbidden = [
        "expression(",
        "javascript:",
        "vbscript:",
        "data:",
        "-moz-binding",
        "behavior:",
        "image(",
        "image-set(",
        "src(",
        "/*",
        "://",
    ];
    if forbidden.iter().any(|word| lower.contains(word)) {
        return false;
    }
    lower.match_indices("url(").all(|(at, found)| {
        let target = &lower[at + found.len()..];
        target.trim_start_matches(['"', '\'']).starts_with('#')
    })
}

fn push(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
}
