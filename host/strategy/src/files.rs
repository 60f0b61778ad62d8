//! Files that a plugin carries, apart from its code: custom sections of the component, named `jackfield:file:` and the
//! file's name.
//!
//! What is compiled is what is left without them, so that plugins which differ in nothing else share their code
//! (`codes`). Nothing in a file is looked at here.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use wasmparser::BinaryReader;

use crate::component::HEADER;

/// How the name of a section begins that holds a file.
const PREFIX: &str = "jackfield:file:";
/// Number of a custom section.
const CUSTOM: u8 = 0;

/// The files of one plugin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    plugin: Arc<[u8]>,
    /// Their names, and where in the plugin they are.
    places: Arc<[(Box<str>, Range<usize>)]>,
}

impl Files {
    /// The bytes of a file; of two with the same name the first.
    pub fn read(&self, name: &str) -> Option<&[u8]> {
        let (_, place) = self.places.iter().find(|(known, _)| **known == *name)?;
        self.plugin.get(place.clone())
    }
}

/// What is compiled, and the files. What is no whole component has none: what is wrong with it is found later.
pub(crate) fn split(plugin: &Arc<[u8]>) -> (Cow<'_, [u8]>, Files) {
    match sections(plugin) {
        Some(found) if !found.is_empty() => {
            let mut code = Vec::with_capacity(plugin.len());
            let mut kept = 0;
            for file in &found {
                code.extend_from_slice(plugin.get(kept..file.section.start).unwrap_or_default());
                kept = file.section.end;
            }
            code.extend_from_slice(plugin.get(kept..).unwrap_or_default());
            let places = found.into_iter().map(|file| (file.name, file.content)).collect();
            (Cow::Owned(code), Files { plugin: Arc::clone(plugin), places })
        }
        _ => (Cow::Borrowed(plugin), Files::default()),
    }
}

struct Found {
    name: Box<str>,
    section: Range<usize>,
    content: Range<usize>,
}

/// The sections with files; none where the plugin ends too early, or is no binary.
fn sections(plugin: &[u8]) -> Option<Vec<Found>> {
    let body = plugin.get(HEADER..).filter(|_| plugin.starts_with(b"\0asm"))?;
    let mut reader = BinaryReader::new(body, HEADER);
    let mut found = Vec::new();
    while !reader.eof() {
        let start = reader.original_position();
        let kind = reader.read_u8().ok()?;
        let length = usize::try_from(reader.read_var_u32().ok()?).ok()?;
        let begins = reader.original_position();
        let content = reader.read_bytes(length).ok()?;
        if kind != CUSTOM {
            continue;
        }
        let mut custom = BinaryReader::new(content, begins);
        if let Some(name) = custom.read_string().ok().and_then(|name| name.strip_prefix(PREFIX)) {
            let end = begins + length;
            found.push(Found { name: name.into(), section: start..end, content: custom.original_position()..end });
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A custom section.
    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        let small = |number: usize| u8::try_from(number).expect("a small section");
        let mut section = vec![CUSTOM, small(1 + name.len() + content.len()), small(name.len())];
        section.extend_from_slice(name.as_bytes());
        section.extend_from_slice(content);
        section
    }

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn files_are_taken_out_and_everything_else_stays() {
        let other = custom("producers", b"rust");
        let parts = [EMPTY, &custom("jackfield:file:a", b"one"), &other, &custom("jackfield:file:b", b""), &other];
        let plugin: Arc<[u8]> = parts.concat().into();
        let (code, files) = split(&plugin);
        assert_eq!(*code, [EMPTY, &other, &other].concat());
        assert_eq!((files.read("a"), files.read("b"), files.read("c")), (Some(&b"one"[..]), Some(&b""[..]), None));
    }

    #[test]
    fn a_plugin_without_files_and_what_is_none_stay_as_they_are() {
        let cut = [EMPTY, &custom("jackfield:file:a", b"one")[..5]].concat();
        for bytes in [EMPTY, b"", b"\0asm", b"(component)", &cut] {
            let plugin: Arc<[u8]> = bytes.into();
            let (code, files) = split(&plugin);
            assert!(matches!(code, Cow::Borrowed(_)) && *code == *bytes);
            assert_eq!(files.read("a"), None);
        }
    }
}
