//! Sessions by their ids. There may be very many that wait, so the id is kept in the entry alone: a table of
//! entries, and no keys beside them.

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use hashbrown::HashTable;

/// What has an id.
pub(crate) trait HasId {
    fn id(&self) -> &str;
}

/// See the module. It has no order that means anything, but the same one for the same ids.
pub(crate) struct ById<T>(HashTable<T>);

impl<T: HasId> ById<T> {
    /// Adds one, in the place of the one with the same id.
    pub fn insert(&mut self, entry: T) {
        self.remove(entry.id());
        self.0.insert_unique(hash(entry.id()), entry, |entry| hash(entry.id()));
    }

    pub fn get(&self, id: &str) -> Option<&T> {
        self.0.find(hash(id), |entry| entry.id() == id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.0.find_mut(hash(id), |entry| entry.id() == id)
    }

    pub fn remove(&mut self, id: &str) -> Option<T> {
        let found = self.0.find_entry(hash(id), |entry| entry.id() == id).ok()?;
        Some(found.remove().0)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for ById<T> {
    fn default() -> ById<T> {
        ById(HashTable::new())
    }
}

impl<T> fmt::Debug for ById<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ById").field(&self.0.len()).finish()
    }
}

/// Ids are made here, so nobody can choose them to be alike.
fn hash(id: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasId for (String, u32) {
        fn id(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn each_id_is_there_once_with_what_came_last_until_it_is_removed() {
        let mut table = ById::default();
        for number in 0..1_000 {
            table.insert((number.to_string(), 0));
        }
        table.insert(("7".to_owned(), 1));
        if let Some((_, number)) = table.get_mut("8") {
            *number = 2;
        }
        assert_eq!(table.values().count(), 1_000);
        assert_eq!((table.get("7").unwrap().1, table.get("8").unwrap().1), (1, 2));
        assert_eq!(table.remove("7"), Some(("7".to_owned(), 1)));
        assert!(table.get("7").is_none() && table.remove("7").is_none() && table.get("1000").is_none());
        for (_, number) in table.values_mut() {
            *number = 3;
        }
        assert!(table.values().all(|(_, number)| *number == 3));
        for number in 0..1_000 {
            table.remove(&number.to_string());
        }
        assert!(table.is_empty());
    }
}
