//! What an `xpointer` points at: the element with an id.

use crate::xml::Element;

/// The id that `written` names: `id`, `element(id)`, `xpointer(id('id'))` or `id('id')`; none when it is another kind
/// of pointer.
pub(super) fn id_in(written: &str) -> Option<&str> {
    let inside = |text: &'_ str, name: &str| -> Option<(usize, usize)> {
        let start = text.strip_prefix(name)?.strip_prefix('(')?;
        let inner = start.strip_suffix(')')?;
        Some((text.len() - start.len(), inner.len()))
    };
    let mut id = written.trim();
    for name in ["element", "xpointer", "id"] {
        if let Some((start, length)) = inside(id, name) {
            id = id.get(start..start + length)?.trim();
        }
    }
    for quote in ['\'', '"'] {
        if let Some(inner) = id.strip_prefix(quote).and_then(|id| id.strip_suffix(quote)) {
            id = inner;
        }
    }
    let word = !id.is_empty() && id.chars().all(|character| character.is_alphanumeric() || "_-.:$".contains(character));
    word.then_some(id)
}

/// The first element with this id.
pub(super) fn find<'e>(element: &'e Element, id: &str) -> Option<&'e Element> {
    const XML: &str = "http://www.w3.org/XML/1998/namespace";
    let has = |attribute: Option<&crate::xml::Attribute>| attribute.is_some_and(|attribute| attribute.value == *id);
    if has(element.attribute("id")) || has(element.attribute_of(XML, "id")) {
        return Some(element);
    }
    element.elements().find_map(|child| find(child, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_in_four_ways() {
        for written in ["_entry", "element(_entry)", "xpointer(id('_entry'))", "id(\"_entry\")", " _entry "] {
            assert_eq!(id_in(written), Some("_entry"), "{written}");
        }
        assert_eq!(id_in("xpointer(/scxml/state[1])"), None);
        assert_eq!(id_in(""), None);
    }
}
