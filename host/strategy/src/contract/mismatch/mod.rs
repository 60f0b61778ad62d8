//! What a component wants of the contract, compared with what its version says: the first difference,
//! named so that whoever built the component finds it.
//!
//! The engine would refuse most of it too, but says which type it cannot convert, and not where that stands;
//! and a function that nobody defines it would take for one that is never called. So this goes first.

mod shape;

use std::fmt;
use std::sync::LazyLock;

use wasmtime::Engine;
use wasmtime::component::types::{Component, ComponentFunc, ComponentItem};
use wit_parser::{Function, Interface, PackageId, Resolve, WorldId, WorldItem};

use self::shape::{Wanted, difference, missing, short, surplus};
use super::versions::{PACKAGE, VERSIONS, Version};

/// The world that a strategy is.
const WORLD: &str = "strategy";

/// Why a component does not fit the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is built for a version this host does not have.
    Version {
        /// What it imports.
        import: String,
        /// The version; empty: it names none.
        version: String,
    },
    /// It imports an interface that this version of the contract does not have.
    Interface {
        /// What it imports.
        import: String,
        /// Of that version.
        version: &'static str,
    },
    /// It does not export a function of the contract.
    Export {
        /// The function.
        export: String,
        /// The version it is built for.
        version: &'static str,
    },
    /// Something in it is not what this version of the contract says.
    Difference {
        /// What it imports or exports.
        what: String,
        /// Of that version.
        version: &'static str,
        /// The first difference.
        difference: String,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = range();
        match self {
            Misfit::Version { import, version } if version.is_empty() => write!(
                formatter,
                "imports `{import}`, which names no version of the contract; this host takes {range}; build it for one \
                 of those"
            ),
            Misfit::Version { import, version } if is_newer(version) => write!(
                formatter,
                "imports `{import}`: version {version} of the contract is newer than this host, which takes {range}; \
                 build it for one of those, or update jackfield"
            ),
            Misfit::Version { import, version } => write!(
                formatter,
                "imports `{import}`, and there is no version {version} of the contract; this host takes {range}; build \
                 it for one of those"
            ),
            Misfit::Interface { import, version } => {
                let published = PUBLISHED.iter().find(|published| published.version == *version);
                let has = published.map(Published::interfaces).unwrap_or_default();
                write!(
                    formatter,
                    "imports `{import}`, which version {version} of the contract does not have: it has {has}; this host \
                     takes {range}"
                )
            }
            Misfit::Export { export, version } => write!(
                formatter,
                "does not export `{export}`; export the world `{WORLD}` of {PACKAGE}@{version}; this host takes {range}"
            ),
            Misfit::Difference { what, version, difference } => write!(
                formatter,
                "{what}, which is not that of version {version} of the contract: {difference}; this host takes \
                 {range}; build it against wit/since-{version} as it was published"
            ),
        }
    }
}

/// The interface of the contract that an import is of, and its version, which may be empty; none when it is
/// of something else.
pub(crate) fn interface_of(import: &str) -> Option<(&str, &str)> {
    let interface = import.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(interface.split_once('@').unwrap_or((interface, "")))
}

/// Compares all that a component has of the contract.
///
/// # Errors
/// The first thing that does not fit.
pub(crate) fn check(engine: &Engine, component: &Component) -> Result<(), Misfit> {
    let mut newest_wanted = None;
    for (import, item) in component.imports(engine) {
        let Some((_, version)) = interface_of(import) else { continue };
        let at = PUBLISHED.iter().position(|published| published.version == version);
        let Some((at, published)) = at.and_then(|at| Some((at, PUBLISHED.get(at)?))) else {
            return Err(Misfit::Version { import: short(import), version: short(version) });
        };
        check_import(engine, published, import, &item.ty)?;
        newest_wanted = newest_wanted.max(Some(at));
    }
    // One that imports nothing of the contract may be of any version.
    let exported = newest_wanted.map_or_else(|| PUBLISHED.last(), |at| PUBLISHED.get(at));
    exported.map_or(Ok(()), |published| check_exports(engine, published, component))
}

fn check_import(engine: &Engine, published: &Published, import: &str, item: &ComponentItem) -> Result<(), Misfit> {
    let version = published.version;
    let interface = interface_of(import).and_then(|(name, _)| published.interface(name));
    let (Some(interface), ComponentItem::ComponentInstance(instance)) = (interface, item) else {
        return Err(Misfit::Interface { import: short(import), version });
    };
    for (name, item) in instance.exports(engine) {
        let difference = match (&item.ty, interface.functions.get(name)) {
            // What is wrong with a type shows where it is used.
            (ComponentItem::Type(_), _) => None,
            (ComponentItem::ComponentFunc(found), Some(wanted)) => {
                function_difference(&published.resolve, wanted, found)
            }
            _ => Some(match interface.functions.is_empty() {
                true => format!("it wants `{}`, and there are only types", short(name)),
                false => format!("it wants `{}`, and there is {}", short(name), named(interface.functions.keys())),
            }),
        };
        if let Some(difference) = difference {
            return Err(Misfit::Difference { what: format!("imports `{}`", short(import)), version, difference });
        }
    }
    Ok(())
}

fn check_exports(engine: &Engine, published: &Published, component: &Component) -> Result<(), Misfit> {
    let version = published.version;
    for wanted in published.exports() {
        let Some(item) = component.get_export(engine, &wanted.name) else {
            return Err(Misfit::Export { export: wanted.name.clone(), version });
        };
        let difference = match &item.ty {
            ComponentItem::ComponentFunc(found) => function_difference(&published.resolve, wanted, found),
            _ => Some("it is no function".to_owned()),
        };
        if let Some(difference) = difference {
            return Err(Misfit::Difference { what: format!("exports `{}`", wanted.name), version, difference });
        }
    }
    Ok(())
}

/// The first difference between a function as the contract has it and as the component has it.
fn function_difference(resolve: &Resolve, wanted: &Function, found: &ComponentFunc) -> Option<String> {
    let name = &wanted.name;
    if found.async_() {
        return Some(format!("it has `{name}` as an async function, the contract as a plain one"));
    }
    let (has, wants) = (found.params().len(), wanted.params.len());
    if has != wants {
        return Some(format!("it has {has} parameters of `{name}`, the contract {wants}"));
    }
    for (wanted, (_, found)) in wanted.params.iter().zip(found.params()) {
        if let Some(difference) = difference(&Wanted { resolve, ty: wanted.ty }, &found) {
            return Some(format!("in parameter `{}` of `{name}`{difference}", wanted.name));
        }
    }
    let difference = match (wanted.result, found.results().next()) {
        (None, None) => None,
        (Some(wanted), Some(found)) => difference(&Wanted { resolve, ty: wanted }, &found),
        (Some(wanted), None) => Some(missing(&Wanted { resolve, ty: wanted })),
        (None, Some(found)) => Some(surplus(&found)),
    };
    difference.map(|difference| format!("in the result of `{name}`{difference}"))
}

/// The versions a component may be built for, for people.
pub(crate) fn range() -> String {
    match VERSIONS {
        [first, .., last] => format!("{} to {}", first.name, last.name),
        [only] => only.name.to_owned(),
        [] => "none".to_owned(),
    }
}

fn is_newer(version: &str) -> bool {
    let newest = VERSIONS.last().and_then(|newest| numbers(newest.name));
    numbers(version).is_some_and(|version| Some(version) > newest)
}

fn numbers(version: &str) -> Option<Vec<u64>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// The published texts, understood; the oldest first. A test sees to it that none is missing.
static PUBLISHED: LazyLock<Vec<Published>> = LazyLock::new(|| VERSIONS.iter().filter_map(Published::read).collect());

struct Published {
    version: &'static str,
    resolve: Resolve,
    package: PackageId,
    world: WorldId,
}

impl Published {
    fn read(version: &Version) -> Option<Published> {
        let mut resolve = Resolve::default();
        let package = resolve.push_source(version.name, version.text).ok()?;
        let world = resolve.select_world(&[package], Some(WORLD)).ok()?;
        Some(Published { version: version.name, resolve, package, world })
    }

    fn interface(&self, name: &str) -> Option<&Interface> {
        let id = self.resolve.packages.get(self.package)?.interfaces.get(name)?;
        self.resolve.interfaces.get(*id)
    }

    /// Names of its interfaces, for people.
    fn interfaces(&self) -> String {
        let package = self.resolve.packages.get(self.package);
        package.map(|package| named(package.interfaces.keys())).unwrap_or_default()
    }

    /// What a component of it exports.
    fn exports(&self) -> impl Iterator<Item = &Function> {
        let world = self.resolve.worlds.get(self.world);
        world.into_iter().flat_map(|world| world.exports.values()).filter_map(|item| match item {
            WorldItem::Function(function) => Some(function),
            _ => None,
        })
    }
}

fn named<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_understood() {
        let read: Vec<_> = PUBLISHED.iter().map(|published| published.version).collect();
        let names: Vec<_> = VERSIONS.iter().map(|version| version.name).collect();
        assert_eq!(read, names);
        for published in PUBLISHED.iter() {
            let exports: Vec<_> = published.exports().map(|function| function.name.as_str()).collect();
            assert_eq!(exports, ["describe", "run"], "{}", published.version);
        }
    }

    #[test]
    fn an_import_of_the_contract_is_told_from_others() {
        assert_eq!(interface_of("jackfield:strategy/log@0.2.0"), Some(("log", "0.2.0")));
        assert_eq!(interface_of("jackfield:strategy/log"), Some(("log", "")));
        assert_eq!(interface_of("jackfield:strategy2/log@0.2.0"), None);
        assert_eq!(interface_of("wasi:io/poll@0.2.6"), None);
        let nameless = Misfit::Version { import: "jackfield:strategy/log".into(), version: String::new() };
        assert_eq!(
            nameless.to_string(),
            "imports `jackfield:strategy/log`, which names no version of the contract; this host takes 0.1.0 to 0.3.0; \
             build it for one of those"
        );
    }

    #[test]
    fn versions_are_in_order_and_what_is_newer_is_known() {
        assert!(VERSIONS.is_sorted_by(|one, other| numbers(one.name) < numbers(other.name)));
        for (version, newer) in [("0.0.9", false), ("0.2.0", false), ("0.10.0", true), ("9.1.0", true), ("next", false)]
        {
            assert_eq!(is_newer(version), newer, "{version}");
        }
    }
}
