//! The cache of positions: bounded in bytes, the least recently used entry goes first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
    expires: Instant,
}

/// A map that forgets.
pub struct LruCache<K, V> {
    entries: HashMap<K, Entry<V>>,
    order: BTreeMap<u64, K>,
    clock: u64,
    bytes: usize,
    capacity: usize,
    lifetime: Duration,
}

impl<K: Hash + Eq + Clone, V: Clone> LruCache<K, V> {
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        assert!(capacity > 0, "cache capacity must be positive");
        LruCache {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            bytes: 0,
            capacity,
            lifetime,
        }
    }

    /// Returns a copy of a value that is still fresh and marks it as just used.
    pub fn get(&mut self, key: &K) -> Option<V> {
        self.clock += 1;
        match self.entries.get_mut(key) {
            Some(entry) if entry.expires > Instant::now() => {
                self.order.remove(&entry.used);
                entry.used = self.clock;
                self.order.insert(self.clock, key.clone());
                Some(entry.value.clone())
            }
            _ => None,
        }
    }

    /// Stores a value of so many bytes, making room first; what is larger than the cache is not kept.
    pub fn insert(&mut self, key: K, value: V, bytes: usize) -> bool {
        self.remove(&key);
        if bytes > self.capacity {
            return false;
        }
        self.make_room(bytes);
        self.clock += 1;
        self.order.insert(self.clock, key.clone());
        let expires = Instant::now() + self.lifetime;
        self.entries.insert(key, Entry { value, bytes, used: self.clock, expires });
        self.bytes += bytes;
        true
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    fn make_room(&mut self, wanted: usize) {
        while self.bytes + wanted > self.capacity {
            let Some(oldest) = self.order.values().next().cloned() else { return };
            self.remove(&oldest);
        }
    }

    /// Drops all that is stale and returns how many entries that were.
    pub fn purge_stale(&mut self, now: Instant) -> usize {
        let stale: Vec<K> =
            self.entries.iter().filter(|(_, entry)| entry.expires <= now).map(|(key, _)| key.clone()).collect();
        for key in &stale {
            self.remove(key);
        }
        stale.len()
    }
}
