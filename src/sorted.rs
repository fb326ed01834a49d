//! A map and a set in one sorted vector each, and a way to sort. Pure.
//!
//! They are for up to about ten thousand entries: a search is fast, but an insertion or a removal
//! moves all entries behind it, except at the end. Each entry is in a box, so that only pointers
//! are moved. In exchange they take a fraction of the code that `BTreeMap` takes for each type of
//! entry.

use std::borrow::Borrow;
use std::collections::BinaryHeap;

/// The list, sorted. A heap takes a fifth of the code of `sort_unstable` for each type.
pub(crate) fn sorted<T: Ord>(list: Vec<T>) -> Vec<T> {
    BinaryHeap::from(list).into_sorted_vec()
}

/// A map that is sorted by its keys.
#[derive(Debug)]
pub(crate) struct SortedMap<K, V> {
    entries: Vec<Box<(K, V)>>,
}

/// A sorted set.
#[derive(Debug)]
pub(crate) struct SortedSet<K> {
    map: SortedMap<K, ()>,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> SortedMap<K, V> {
        SortedMap {
            entries: Vec::new(),
        }
    }
}

impl<K, V> SortedMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.0, &entry.1))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().map(|entry| &entry.0)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.1)
    }

    pub(crate) fn into_entries(self) -> impl Iterator<Item = (K, V)> {
        self.entries.into_iter().map(|entry| *entry)
    }

    /// Keeps the entries whose keys are wanted.
    pub(crate) fn retain_keys(&mut self, is_wanted: impl Fn(&K) -> bool) {
        self.entries.retain(|entry| is_wanted(&entry.0));
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        self.entries.get(at).map(|entry| &entry.1)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        self.entries.get_mut(at).map(|entry| &mut entry.1)
    }

    /// The value of a key, and never `None`: a missing entry is added with the default.
    pub(crate) fn get_or_add(&mut self, key: &K) -> Option<&mut V>
    where
        K: Clone,
        V: Default,
    {
        let place = self.place(key);
        if let Err(at) = place {
            let entry = Box::new((key.clone(), V::default()));
            self.entries.insert(at, entry);
        }
        let (Ok(at) | Err(at)) = place;
        self.entries.get_mut(at).map(|entry| &mut entry.1)
    }

    /// Adds an entry, or replaces its value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    entry.1 = value;
                }
            }
            Err(at) => self.entries.insert(at, Box::new((key, value))),
        }
    }

    /// Removes an entry. Returns whether there was one.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let place = self.place(key);
        if let Ok(at) = place {
            self.entries.remove(at);
        }
        place.is_ok()
    }

    /// Where the key is, or where it belongs.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries
            .binary_search_by(|entry| entry.0.borrow().cmp(key))
    }
}

impl<K> Default for SortedSet<K> {
    fn default() -> SortedSet<K> {
        SortedSet {
            map: SortedMap::default(),
        }
    }
}

impl<K: Ord> SortedSet<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(crate) fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.map.contains_key(key)
    }

    /// Adds an entry. Returns whether it is new.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        let place = self.map.place(&key);
        if let Err(at) = place {
            self.map.entries.insert(at, Box::new((key, ())));
        }
        place.is_err()
    }

    /// Removes an entry. Returns whether there was one.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.map.remove(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn clear(&mut self) {
        self.map.clear();
    }

    /// Keeps the entries that are wanted.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&K) -> bool) {
        self.map.retain_keys(is_wanted);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        self.map.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::{SortedMap, SortedSet};

    /// All sequences of `length` keys from a small alphabet.
    fn sequences(length: u32) -> impl Iterator<Item = Vec<u32>> {
        let digits = move |number| (0..length).map(move |at| number / 4_u32.pow(at) % 4);
        (0..4_u32.pow(length)).map(move |number| digits(number).collect())
    }

    #[test]
    fn a_map_is_sorted_and_keeps_the_last_value_of_each_key() {
        for keys in sequences(5) {
            let mut map = SortedMap::default();
            let mut expected = std::collections::BTreeMap::new();
            for (value, key) in keys.iter().enumerate() {
                map.insert(*key, value);
                expected.insert(*key, value);
            }
            assert!(map.iter().eq(&expected), "{keys:?}: {map:?}");
            assert!(map.keys().eq(expected.keys()), "{keys:?}: {map:?}");
            assert!(map.values().eq(expected.values()), "{keys:?}: {map:?}");
            assert_eq!(map.len(), expected.len());
            for key in 0..4 {
                assert_eq!(map.get(&key), expected.get(&key), "{keys:?}: {key}");
                assert_eq!(map.contains_key(&key), expected.contains_key(&key));
            }
            for key in 0..4 {
                if let Some(value) = map.get_mut(&key) {
                    *value += 10;
                }
                *map.get_or_add(&key).unwrap() += 1;
                expected
                    .get_mut(&key)
                    .into_iter()
                    .for_each(|value| *value += 10);
                *expected.entry(key).or_default() += 1;
            }
            assert!(map.iter().eq(&expected), "{keys:?}: {map:?}");
            let first = keys.first().unwrap();
            assert!(map.remove(first) && !map.remove(first));
            expected.remove(first);
            assert!(map.iter().eq(&expected), "{keys:?}: {map:?}");
            map.retain_keys(|key| *key != 2);
            expected.remove(&2);
            assert!(map.into_entries().eq(expected), "{keys:?}");
        }
    }

    #[test]
    fn a_map_without_entries_is_empty() {
        let mut map = SortedMap::default();
        assert!(map.is_empty());
        map.insert(1, ());
        assert!(!map.is_empty());
        map.clear();
        assert!(map.is_empty());
    }

    #[test]
    fn a_set_says_what_is_new_and_what_was_there() {
        for keys in sequences(5) {
            let mut set = SortedSet::default();
            let mut expected = std::collections::BTreeSet::new();
            assert!(set.is_empty());
            for key in &keys {
                assert_eq!(set.insert(*key), expected.insert(*key), "{keys:?}: {key}");
            }
            assert!(set.iter().eq(&expected), "{keys:?}: {set:?}");
            for key in 0..4 {
                assert_eq!(set.contains(&key), expected.contains(&key));
                assert_eq!(set.remove(&key), expected.remove(&key), "{keys:?}: {key}");
            }
            assert!(set.is_empty());
        }
    }
}
