//! Lists put in order, and ordered sets and maps filled, with little code.
//!
//! The standard library makes its sort anew for every type, at 3 KB each, and once more for every set or map that
//! is collected from an iterator. The lists here are short and the program of the initramfs is to be small: one
//! sort of positions serves all lists, and sets and maps take one entry after the other.

use std::cmp::Ordering;

/// Stable sorting of slices.
pub trait Arrange<T> {
    /// Sorts as [`slice::sort`] does.
    fn arrange(&mut self)
    where
        T: Ord;
    /// Sorts as [`slice::sort_by`] does.
    fn arrange_by(&mut self, compare: impl Fn(&T, &T) -> Ordering);
    /// Sorts as [`slice::sort_by_key`] does.
    fn arrange_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K);
}

impl<T> Arrange<T> for [T] {
    fn arrange(&mut self)
    where
        T: Ord,
    {
        self.arrange_by(T::cmp);
    }
    fn arrange_by(&mut self, compare: impl Fn(&T, &T) -> Ordering) {
        // Positions are those of this very list.
        let swaps = swaps(self.len(), &|one, other| compare(&self[one], &self[other]));
        for (one, other) in swaps {
            self.swap(one, other);
        }
    }
    fn arrange_by_key<K: Ord>(&mut self, key: impl Fn(&T) -> K) {
        self.arrange_by(|one, other| key(one).cmp(&key(other)));
    }
}

/// What to swap, one after the other, to put a list in order whose items are compared by their positions.
#[inline(never)]
fn swaps(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<(usize, usize)> {
    let mut from: Vec<usize> = (0..length).collect();
    from.sort_by(|one, other| compare(*one, *other));
    let mut swaps = Vec::new();
    for start in 0..length {
        // Round the circle of items that take each other's places.
        let mut to = start;
        loop {
            let next = std::mem::replace(&mut from[to], to);
            if next == start || next == to {
                break;
            }
            swaps.push((to, next));
            to = next;
        }
    }
    swaps
}

/// Filling of sets and maps from iterators.
pub trait Gather: Iterator + Sized {
    /// Collects as [`Iterator::collect`] does: of entries with one key the last one stays.
    fn gather<C: Default + Extend<Self::Item>>(self) -> C {
        let mut whole = C::default();
        whole.extend(self);
        whole
    }
}

impl<I: Iterator> Gather for I {}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Arrange, Gather};

    #[test]
    fn lists_are_sorted_as_the_standard_library_does() {
        // Numbers without an evident order, with repetitions: squares modulo primes.
        for (length, prime) in [
            (0, 7),
            (1, 7),
            (2, 7),
            (3, 5),
            (20, 13),
            (100, 31),
            (500, 499),
        ] {
            let list: Vec<(u64, u64)> = (0..length).map(|n| (n * n % prime, n)).collect();
            let (mut expected, mut by_key) = (list.clone(), list.clone());
            expected.sort_by_key(|(number, _)| *number);
            by_key.arrange_by_key(|(number, _)| *number);
            assert_eq!(by_key, expected);

            let (mut expected, mut falling) = (list.clone(), list.clone());
            expected.sort_by_key(|(number, _)| Reverse(*number));
            falling.arrange_by(|one, other| other.0.cmp(&one.0));
            assert_eq!(falling, expected);

            let (mut texts, mut expected): (Vec<String>, Vec<String>) = list
                .iter()
                .map(|(n, _)| (n.to_string(), n.to_string()))
                .unzip();
            texts.arrange();
            expected.sort();
            assert_eq!(texts, expected);
        }
    }

    #[test]
    fn sets_and_maps_are_what_collecting_makes() {
        let pairs = [(3, "c"), (1, "a"), (3, "d"), (2, "b")];
        let map: BTreeMap<i32, &str> = pairs.into_iter().gather();
        assert_eq!(map, pairs.into_iter().collect());
        assert_eq!(map.get(&3), Some(&"d"));
        let set: BTreeSet<i32> = pairs.into_iter().map(|(number, _)| number).gather();
        assert_eq!(set, BTreeSet::from([1, 2, 3]));
    }
}
