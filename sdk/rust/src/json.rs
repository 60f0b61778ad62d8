//! The one thing strategies need of JSON: the text of a JSON string.

/// The text of a JSON string; anything else is returned as it is.
pub(crate) fn text(json: &str) -> String {
    let Some(inner) = json.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return json.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('u') => text.push(escaped(&mut characters)),
            Some(other) => text.push(other),
            None => {}
        }
    }
    text
}

/// The character after `\u`, of two escapes where it is a surrogate pair.
fn escaped(characters: &mut std::str::Chars<'_>) -> char {
    let first = unit(characters);
    let low = characters.as_str().strip_prefix("\\u").map(str::chars);
    if (0xD800..0xDC00).contains(&first)
        && let Some(mut rest) = low
    {
        let pair = char::decode_utf16([first, unit(&mut rest)]).next();
        if let Some(Ok(character)) = pair {
            *characters = rest;
            return character;
        }
    }
    char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn unit(characters: &mut std::str::Chars<'_>) -> u16 {
    let digits: String = characters.by_ref().take(4).collect();
    u16::from_str_radix(&digits, 16).unwrap_or(0xFFFD)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn strings_lose_their_quotes_and_escapes_and_the_rest_stays() {
        for (json, expected) in [
            (r#""plain""#, "plain"),
            (r#""a\"b\\c\/d\n""#, "a\"b\\c/d\n"),
            (r#""\u00e9\ud83d\ude00\ud800x""#, "é😀\u{FFFD}x"),
            ("gold", "gold"),
            ("12", "12"),
            (r#""open"#, r#""open"#),
        ] {
            assert_eq!(text(json), expected, "{json}");
        }
    }
}
