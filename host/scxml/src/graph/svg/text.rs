//! How wide a text is. There are no fonts here: it is reckoned for Helvetica and what stands in for it, a little wide.

/// Size of names, in pixels.
pub(super) const NAME: f64 = 13.0;

/// Size of everything else.
pub(super) const SMALL: f64 = 11.0;

/// From one line to the next, for a size.
pub(super) fn line_height(size: f64) -> f64 {
    (size * 1.32).round()
}

/// Width of `text` in pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let units: f64 = text
        .chars()
        .map(|character| match character {
            'i' | 'j' | 'l' | '\'' | '|' | '.' | ',' | ':' | ';' | '!' | 'I' => 0.30,
            'f' | 't' | 'r' | ' ' | '(' | ')' | '[' | ']' | '/' | '-' | '"' | '`' => 0.38,
            'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.92,
            '_' | 'a'..='z' | '0'..='9' => 0.58,
            'A'..='Z' | '&' | '=' | '<' | '>' | '+' => 0.70,
            other if other.is_ascii() => 0.60,
            other if u32::from(other) >= 0x2e80 => 1.0,
            _ => 0.62,
        })
        .sum();
    (units * size).ceil()
}

/// Width and height of `lines`.
pub(super) fn size(lines: &[String], size: f64) -> (f64, f64) {
    let widest = lines.iter().map(|line| width(line, size)).fold(0.0, f64::max);
    let height = lines.iter().map(|_| line_height(size)).sum();
    (widest, height)
}
