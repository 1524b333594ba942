//! A table by id that a change copies a little of.

use std::sync::Arc;

const CHUNK: usize = 64;

/// Values by small integer. A clone shares everything; writing to a clone copies one chunk of 64
/// pointers and the chunk directory (one pointer for 64 ids). Ids come from counters, so the
/// directory stays as long as the highest id is high.
#[derive(Debug)]
pub struct Slab<V> {
    chunks: Vec<Arc<[Option<Arc<V>>; CHUNK]>>,
    count: usize,
}

impl<V> Clone for Slab<V> {
    fn clone(&self) -> Self {
        Slab { chunks: self.chunks.clone(), count: self.count }
    }
}

impl<V> Default for Slab<V> {
    fn default() -> Self {
        Slab { chunks: Vec::new(), count: 0 }
    }
}

impl<V> Slab<V> {
    /// The value with this id.
    pub fn get(&self, id: u32) -> Option<&Arc<V>> {
        self.chunks.get(id as usize / CHUNK)?[id as usize % CHUNK].as_ref()
    }

    /// Puts, replaces or, with `None`, removes a value.
    pub fn set(&mut self, id: u32, value: Option<Arc<V>>) {
        let chunk = id as usize / CHUNK;
        if chunk >= self.chunks.len() {
            if value.is_none() {
                return;
            }
            let empty = Arc::new([const { None }; CHUNK]);
            self.chunks.resize_with(chunk + 1, || empty.clone());
        }
        let slot = &mut Arc::make_mut(&mut self.chunks[chunk])[id as usize % CHUNK];
        self.count = self.count + usize::from(value.is_some()) - usize::from(slot.is_some());
        *slot = value;
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All values in id order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<V>)> {
        self.chunks.iter().enumerate().flat_map(|(chunk, values)| {
            values
                .iter()
                .enumerate()
                .filter_map(move |(index, value)| Some(((chunk * CHUNK + index) as u32, value.as_ref()?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_later_writes() {
        let mut slab = Slab::default();
        slab.set(3, Some(Arc::new("a")));
        slab.set(200, Some(Arc::new("b")));
        let before = slab.clone();
        slab.set(3, None);
        slab.set(4, Some(Arc::new("c")));
        assert_eq!(before.iter().map(|(id, v)| (id, **v)).collect::<Vec<_>>(), [(3, "a"), (200, "b")]);
        assert_eq!(slab.iter().map(|(id, v)| (id, **v)).collect::<Vec<_>>(), [(4, "c"), (200, "b")]);
        assert_eq!((before.len(), slab.len()), (2, 2));
        assert!(slab.get(1_000_000).is_none());
    }
}
