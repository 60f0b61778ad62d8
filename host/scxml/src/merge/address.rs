//! Addresses of files, as documents write them, made paths below the project's folder.

/// Where an address leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// To this path below the project's folder, with `/` between its parts and none of them `.` or `..`.
    Inside(String),
    /// Out of the project's folder.
    Outside,
    /// Over this scheme, such as `http`.
    Scheme(String),
    /// To no file.
    Nowhere,
}

/// Where `written` leads when it is written in the file at `from`, which is a path below the project's folder.
///
/// `file:` with a relative path is a relative path. Escapes (`%20`) are replaced, and `\` divides like `/`.
pub fn resolve(from: &str, written: &str) -> Address {
    let mut written = written.trim();
    if let Some((scheme, rest)) = written.split_once(':')
        && scheme.len() > 1
        && scheme.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
    {
        if !scheme.eq_ignore_ascii_case("file") {
            return Address::Scheme(scheme.to_ascii_lowercase());
        }
        written = rest;
    }
    let path = unescaped(written).replace('\\', "/");
    if path.is_empty() {
        return Address::Nowhere;
    }
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with('/') || drive {
        return Address::Outside;
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Address::Outside;
                }
            }
            other => parts.push(other),
        }
    }
    if parts.is_empty() { Address::Nowhere } else { Address::Inside(parts.join("/")) }
}

/// With `%20` and the like replaced; what is no escape, or would not be UTF-8, stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) if high * 16 + low != 0 => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(path: &str) -> Address {
        Address::Inside(path.to_owned())
    }

    #[test]
    fn addresses_count_from_the_folder_of_the_file_they_are_written_in() {
        assert_eq!(resolve("src-gen/Main.scxml", "../include/common.js"), inside("include/common.js"));
        assert_eq!(resolve("src-gen/Main.scxml", "Other.scxml"), inside("src-gen/Other.scxml"));
        assert_eq!(resolve("Main.scxml", "./a//b.scxml"), inside("a/b.scxml"));
        assert_eq!(resolve("a/b/c.scxml", "..\\d%20e.scxml"), inside("a/d e.scxml"));
        assert_eq!(resolve("test.scxml", "file:data.txt"), inside("data.txt"));
    }

    #[test]
    fn what_leads_out_of_the_project_is_known() {
        assert_eq!(resolve("Main.scxml", "../secret"), Address::Outside);
        assert_eq!(resolve("a/Main.scxml", "../../secret"), Address::Outside);
        assert_eq!(resolve("Main.scxml", "/etc/passwd"), Address::Outside);
        assert_eq!(resolve("Main.scxml", "file:///etc/passwd"), Address::Outside);
        assert_eq!(resolve("Main.scxml", "%2e%2e/secret"), Address::Outside);
        assert_eq!(resolve("Main.scxml", "C:\\secret"), Address::Outside);
        assert_eq!(resolve("Main.scxml", "HTTP://host/x"), Address::Scheme("http".to_owned()));
        assert_eq!(resolve("Main.scxml", " "), Address::Nowhere);
        assert_eq!(resolve("Main.scxml", "."), Address::Nowhere);
    }
}
