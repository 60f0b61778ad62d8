//! The first difference between two types: one from the published text, one from a component.
//!
//! Both are looked at through [`Shape`], one level at a time and only as far as they agree, so that what a
//! component has is never followed further than the published text goes.

use wasmtime::component::Type as Found;
use wit_parser::{Handle, Resolve, Type as WitType, TypeDefKind};

/// Characters of a name that are shown.
const NAME_SHOWN: usize = 80;
/// Names of fields or cases that are shown.
const NAMES_SHOWN: usize = 12;
/// Levels of a type that are shown.
const LEVELS_SHOWN: usize = 3;

/// A type of the published text.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub resolve: &'a Resolve,
    pub ty: WitType,
}

/// One level of a type.
pub(super) enum Shape<T> {
    /// One without parts, by its name.
    Plain(&'static str),
    /// `list` or `option`.
    Of(&'static str, T),
    Result(Option<T>, Option<T>),
    Tuple(Vec<T>),
    /// `record` and its fields, or `variant` and its cases.
    Named(&'static str, Vec<(String, Option<T>)>),
    /// `enum` or `flags`.
    Names(&'static str, Vec<String>),
}

pub(super) trait Shaped: Sized {
    fn shape(&self) -> Shape<Self>;
}

/// Where and how they differ, in words that go on after `in the result of …`; none: they do not.
pub(super) fn difference<W: Shaped, F: Shaped>(wanted: &W, found: &F) -> Option<String> {
    difference_at(wanted, found, String::new())
}

fn difference_at<W: Shaped, F: Shaped>(wanted: &W, found: &F, at: String) -> Option<String> {
    let differs = |found: String, wanted: String| Some(format!("{at}: it has {found}, the contract {wanted}"));
    match (wanted.shape(), found.shape()) {
        (Shape::Plain(wanted), Shape::Plain(found)) if wanted == found => None,
        (Shape::Of(kind, wanted), Shape::Of(same, found)) if kind == same => {
            difference_at(&wanted, &found, format!("{at}, in the {kind}"))
        }
        (Shape::Tuple(wanted), Shape::Tuple(found)) if wanted.len() == found.len() => {
            let mut parts = (1..).zip(wanted.iter().zip(&found));
            parts.find_map(|(number, (wanted, found))| difference_at(wanted, found, format!("{at}, part {number}")))
        }
        (Shape::Result(ok, err), Shape::Result(found_ok, found_err))
            if ok.is_some() == found_ok.is_some() && err.is_some() == found_err.is_some() =>
        {
            let part = |wanted: Option<W>, found: Option<F>, name: &str| {
                difference_at(&wanted?, &found?, format!("{at}, `{name}`"))
            };
            part(ok, found_ok, "ok").or_else(|| part(err, found_err, "err"))
        }
        (Shape::Named(kind, wanted), Shape::Named(same, found)) if kind == same => {
            let part = if kind == "record" { "field" } else { "case" };
            if let Some((found, wanted)) = first_name(&names_of(&wanted), &names_of(&found), part) {
                return differs(found, wanted);
            }
            wanted.iter().zip(&found).find_map(|((name, wanted), (_, found))| match (wanted, found) {
                (Some(wanted), Some(found)) => difference_at(wanted, found, format!("{at}, {part} `{name}`")),
                (None, None) => None,
                (Some(wanted), None) => Some(format!("{at}, {part} `{name}`{}", missing(wanted))),
                (None, Some(found)) => Some(format!("{at}, {part} `{name}`{}", surplus(found))),
            })
        }
        (Shape::Names(kind, wanted), Shape::Names(same, found)) if kind == same => {
            let (found, wanted) = first_name(&wanted, &found, "case")?;
            differs(found, wanted)
        }
        _ => differs(text(found), text(wanted)),
    }
}

/// There is nothing, and there should be.
pub(super) fn missing(wanted: &impl Shaped) -> String {
    format!(": it has nothing, the contract {}", text(wanted))
}

/// There is something, and there should not be.
pub(super) fn surplus(found: &impl Shaped) -> String {
    format!(": it has {}, the contract nothing", text(found))
}

/// The first name that is another one: as it is found, and as it is wanted.
fn first_name(wanted: &[String], found: &[String], part: &str) -> Option<(String, String)> {
    let shown = |name: Option<&String>| {
        name.map_or_else(|| format!("no {part} more"), |name| format!("{part} `{}`", short(name)))
    };
    let at = (0..wanted.len().max(found.len())).find(|&at| wanted.get(at) != found.get(at))?;
    Some((shown(found.get(at)), shown(wanted.get(at))))
}

/// A type as people read it, in the words of WIT.
fn text(ty: &impl Shaped) -> String {
    format!("`{}`", level(ty, LEVELS_SHOWN))
}

fn level(ty: &impl Shaped, levels: usize) -> String {
    let Some(levels) = levels.checked_sub(1) else { return "…".to_owned() };
    match ty.shape() {
        Shape::Plain(name) => name.to_owned(),
        Shape::Of(kind, of) => format!("{kind}<{}>", level(&of, levels)),
        Shape::Result(None, None) => "result".to_owned(),
        Shape::Result(Some(ok), None) => format!("result<{}>", level(&ok, levels)),
        Shape::Result(ok, Some(err)) => {
            let ok = ok.map_or_else(|| "_".to_owned(), |ok| level(&ok, levels));
            format!("result<{ok}, {}>", level(&err, levels))
        }
        Shape::Tuple(parts) => {
            let parts: Vec<String> = parts.iter().take(NAMES_SHOWN).map(|part| level(part, levels)).collect();
            format!("tuple<{}>", parts.join(", "))
        }
        Shape::Named(kind, parts) => format!("{kind} {}", braced(names_of(&parts))),
        Shape::Names(kind, names) => format!("{kind} {}", braced(names)),
    }
}

fn names_of<T>(parts: &[(String, Option<T>)]) -> Vec<String> {
    parts.iter().map(|(name, _)| name.clone()).collect()
}

fn braced(names: Vec<String>) -> String {
    let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
    let shown: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| short(name)).collect();
    format!("{{ {}{more} }}", shown.join(", "))
}

/// As much of a name as is shown.
pub(super) fn short(name: &str) -> String {
    match name.char_indices().nth(NAME_SHOWN) {
        Some((at, _)) => format!("{}…", name.get(..at).unwrap_or_default()),
        None => name.to_owned(),
    }
}

impl Shaped for Wanted<'_> {
    fn shape(&self) -> Shape<Self> {
        let same = |ty: &WitType| Wanted { resolve: self.resolve, ty: *ty };
        let id = match self.ty {
            WitType::Bool => return Shape::Plain("bool"),
            WitType::U8 => return Shape::Plain("u8"),
            WitType::U16 => return Shape::Plain("u16"),
            WitType::U32 => return Shape::Plain("u32"),
            WitType::U64 => return Shape::Plain("u64"),
            WitType::S8 => return Shape::Plain("s8"),
            WitType::S16 => return Shape::Plain("s16"),
            WitType::S32 => return Shape::Plain("s32"),
            WitType::S64 => return Shape::Plain("s64"),
            WitType::F32 => return Shape::Plain("f32"),
            WitType::F64 => return Shape::Plain("f64"),
            WitType::Char => return Shape::Plain("char"),
            WitType::String => return Shape::Plain("string"),
            WitType::ErrorContext => return Shape::Plain("error-context"),
            WitType::Id(id) => id,
        };
        let Some(definition) = self.resolve.types.get(id) else { return Shape::Plain("unknown") };
        match &definition.kind {
            TypeDefKind::Type(ty) => same(ty).shape(),
            TypeDefKind::List(ty) => Shape::Of("list", same(ty)),
            TypeDefKind::Option(ty) => Shape::Of("option", same(ty)),
            TypeDefKind::Result(result) => Shape::Result(result.ok.as_ref().map(same), result.err.as_ref().map(same)),
            TypeDefKind::Tuple(tuple) => Shape::Tuple(tuple.types.iter().map(same).collect()),
            TypeDefKind::Record(record) => {
                let field = |field: &wit_parser::Field| (field.name.clone(), Some(same(&field.ty)));
                Shape::Named("record", record.fields.iter().map(field).collect())
            }
            TypeDefKind::Variant(variant) => {
                let case = |case: &wit_parser::Case| (case.name.clone(), case.ty.as_ref().map(same));
                Shape::Named("variant", variant.cases.iter().map(case).collect())
            }
            TypeDefKind::Enum(names) => {
                Shape::Names("enum", names.cases.iter().map(|case| case.name.clone()).collect())
            }
            TypeDefKind::Flags(names) => {
                Shape::Names("flags", names.flags.iter().map(|flag| flag.name.clone()).collect())
            }
            TypeDefKind::Handle(Handle::Own(_)) => Shape::Plain("own"),
            TypeDefKind::Handle(Handle::Borrow(_)) => Shape::Plain("borrow"),
            TypeDefKind::Resource => Shape::Plain("resource"),
            TypeDefKind::Map(..) => Shape::Plain("map"),
            TypeDefKind::FixedLengthList(..) => Shape::Plain("list of a fixed length"),
            TypeDefKind::Future(_) => Shape::Plain("future"),
            TypeDefKind::Stream(_) => Shape::Plain("stream"),
            TypeDefKind::Unknown => Shape::Plain("unknown"),
        }
    }
}

impl Shaped for Found {
    fn shape(&self) -> Shape<Self> {
        match self {
            Found::Bool => Shape::Plain("bool"),
            Found::U8 => Shape::Plain("u8"),
            Found::U16 => Shape::Plain("u16"),
            Found::U32 => Shape::Plain("u32"),
            Found::U64 => Shape::Plain("u64"),
            Found::S8 => Shape::Plain("s8"),
            Found::S16 => Shape::Plain("s16"),
            Found::S32 => Shape::Plain("s32"),
            Found::S64 => Shape::Plain("s64"),
            Found::Float32 => Shape::Plain("f32"),
            Found::Float64 => Shape::Plain("f64"),
            Found::Char => Shape::Plain("char"),
            Found::String => Shape::Plain("string"),
            Found::ErrorContext => Shape::Plain("error-context"),
            Found::List(list) => Shape::Of("list", list.ty()),
            Found::Option(option) => Shape::Of("option", option.ty()),
            Found::Result(result) => Shape::Result(result.ok(), result.err()),
            Found::Tuple(tuple) => Shape::Tuple(tuple.types().collect()),
            Found::Record(record) => {
                Shape::Named("record", record.fields().map(|field| (field.name.to_owned(), Some(field.ty))).collect())
            }
            Found::Variant(variant) => {
                Shape::Named("variant", variant.cases().map(|case| (case.name.to_owned(), case.ty)).collect())
            }
            Found::Enum(names) => Shape::Names("enum", names.names().map(str::to_owned).collect()),
            Found::Flags(names) => Shape::Names("flags", names.names().map(str::to_owned).collect()),
            Found::Own(_) => Shape::Plain("own"),
            Found::Borrow(_) => Shape::Plain("borrow"),
            Found::Map(_) => Shape::Plain("map"),
            Found::FixedLengthList(_) => Shape::Plain("list of a fixed length"),
            Found::Future(_) => Shape::Plain("future"),
            Found::Stream(_) => Shape::Plain("stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The difference between two types, as WIT has them.
    fn of(wanted: &str, found: &str) -> Option<String> {
        let package = |ty: &str| {
            let mut resolve = Resolve::default();
            let named = "record point { x: s32, name: string } record place { x: s32, y: s32 }
                         variant either { left(u8), right, both(point) } variant other { left(u8), right(u8), both }
                         enum colour { red, green } enum paint { red, blue } flags rights { read, write } resource thing;";
            let text = format!("package a:b; interface c {{ {named} f: func(it: {ty}); }}");
            resolve.push_source("a.wit", &text).expect("a WIT text");
            resolve
        };
        let (wanted, found) = (package(wanted), package(found));
        let ty = |resolve: &Resolve| {
            let (_, interface) = resolve.interfaces.iter().next().expect("an interface");
            interface.functions["f"].params[0].ty
        };
        let (one, other) = (Wanted { resolve: &wanted, ty: ty(&wanted) }, Wanted { resolve: &found, ty: ty(&found) });
        difference(&one, &other)
    }

    #[test]
    fn what_is_the_same_does_not_differ() {
        for ty in [
            "bool",
            "string",
            "list<tuple<u8, f64>>",
            "option<result<_, string>>",
            "result",
            "point",
            "either",
            "colour",
            "rights",
            "borrow<thing>",
        ] {
            assert_eq!(of(ty, ty), None, "{ty}");
        }
    }

    #[test]
    fn the_first_difference_is_found_at_any_depth() {
        for (wanted, found, expected) in [
            ("u8", "s8", ": it has `s8`, the contract `u8`"),
            ("string", "list<u8>", ": it has `list<u8>`, the contract `string`"),
            ("list<string>", "list<u8>", ", in the list: it has `u8`, the contract `string`"),
            ("option<u8>", "list<u8>", ": it has `list<u8>`, the contract `option<u8>`"),
            ("tuple<u8, u8>", "tuple<u8>", ": it has `tuple<u8>`, the contract `tuple<u8, u8>`"),
            ("tuple<u8, u8>", "tuple<u8, u16>", ", part 2: it has `u16`, the contract `u8`"),
            (
                "result<_, string>",
                "result<u8, string>",
                ": it has `result<u8, string>`, the contract `result<_, string>`",
            ),
            ("result<u8>", "result<u16>", ", `ok`: it has `u16`, the contract `u8`"),
            ("result<_, string>", "result<_, char>", ", `err`: it has `char`, the contract `string`"),
            ("point", "place", ": it has field `y`, the contract field `name`"),
            ("list<point>", "point", ": it has `record { x, name }`, the contract `list<record { x, name }>`"),
            ("either", "other", ", case `right`: it has `u8`, the contract nothing"),
            ("other", "either", ", case `right`: it has nothing, the contract `u8`"),
            ("colour", "paint", ": it has case `blue`, the contract case `green`"),
            ("colour", "rights", ": it has `flags { read, write }`, the contract `enum { red, green }`"),
            ("own<thing>", "borrow<thing>", ": it has `borrow`, the contract `own`"),
            ("u8", "list<list<list<list<u8>>>>", ": it has `list<list<list<…>>>`, the contract `u8`"),
        ] {
            assert_eq!(of(wanted, found).as_deref(), Some(expected), "{wanted} and {found}");
        }
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(short("write"), "write");
        assert_eq!(short(&"ü".repeat(100)), format!("{}…", "ü".repeat(80)));
    }
}
