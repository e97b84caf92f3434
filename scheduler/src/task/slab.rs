//! Values under keys that are small numbers, used again when a value is taken out.

/// Values under keys.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    /// The slot to be used next; past the end where none is free.
    free: usize,
    len: usize,
}

#[derive(Debug)]
enum Slot<T> {
    Full(T),
    /// And which is free after this one.
    Free(usize),
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: 0,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts a value in. Its key, and the value where it lies.
    pub(super) fn insert(&mut self, value: T) -> (usize, &mut T) {
        let key = self.free;
        self.len += 1;
        match self.slots.get_mut(key) {
            None => {
                self.free = key + 1;
                self.slots.push(Slot::Full(value));
            }
            Some(slot) => {
                let Slot::Free(next) = std::mem::replace(slot, Slot::Full(value)) else {
                    unreachable!("the free list names free slots")
                };
                self.free = next;
            }
        }
        let Some(Slot::Full(value)) = self.slots.get_mut(key) else {
            unreachable!("it was put there")
        };
        (key, value)
    }

    /// Takes a value out.
    ///
    /// # Panics
    /// If the key isn't in use.
    pub(super) fn remove(&mut self, key: usize) -> T {
        let slot = std::mem::replace(&mut self.slots[key], Slot::Free(self.free));
        let Slot::Full(value) = slot else {
            unreachable!("the key is in use")
        };
        self.free = key;
        self.len -= 1;
        value
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        })
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_key_is_used_again_only_after_its_value_was_taken() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..4).map(|i| slab.insert(i).0).collect();
        assert_eq!(keys, [0, 1, 2, 3]);
        assert_eq!((slab.remove(1), slab.remove(3)), (1, 3));
        assert_eq!((slab.insert(13).0, slab.insert(11).0), (3, 1));
        assert_eq!(slab.insert(4).0, 4);
        assert_eq!(slab.len(), 5);
        assert_eq!(slab.iter().copied().collect::<Vec<_>>(), [0, 11, 2, 13, 4]);
    }
}
