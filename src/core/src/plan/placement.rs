//! Where partitions lie: sector arithmetic on a table, and nothing else.

use crate::facts::disks::Table;
use crate::ordered::Arrange as _;

/// What is asked of a place. `None` leaves it to the largest free block, as sgdisk's 0 does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// First sector.
    pub start: Option<u64>,
    /// Number of sectors.
    pub sectors: Option<u64>,
}

/// Places partitions one after the other beside those of the table; answers first and last sectors.
///
/// `align` is in sectors. An error names which of the wanted partitions does not fit, and why.
pub fn place(
    wanted: &[Wanted],
    table: &Table,
    align: u64,
) -> Result<Vec<(u64, u64)>, (usize, String)> {
    let mut taken: Vec<(u64, u64)> = table
        .partitions
        .values()
        .map(|entry| (entry.start, entry.end))
        .collect();
    let mut placed = Vec::new();
    for (at, wanted) in wanted.iter().enumerate() {
        let place = place_one(wanted, &taken, table, align).map_err(|why| (at, why))?;
        taken.push(place);
        placed.push(place);
    }
    Ok(placed)
}

fn place_one(
    wanted: &Wanted,
    taken: &[(u64, u64)],
    table: &Table,
    align: u64,
) -> Result<(u64, u64), String> {
    let blocks = free_blocks(taken, table);
    let start = match wanted.start {
        Some(start) => start,
        None => largest(&blocks, align).ok_or("there is no free space left")?,
    };
    if start < table.first_usable || start > table.last_usable {
        return Err(format!(
            "it would begin at sector {start}, partitions may use the sectors {} to {}",
            table.first_usable, table.last_usable
        ));
    }
    // A given start need not be aligned: what the config says counts.
    let block = blocks
        .into_iter()
        .find(|(first, last)| (*first..=*last).contains(&start))
        .ok_or_else(|| format!("sector {start} belongs to another partition"))?;
    let end = match wanted.sectors {
        Some(sectors) => start.saturating_add(sectors.max(1)) - 1,
        // As with sgdisk, the last partition of a disk ends unaligned, at the last usable sector.
        None => block.1,
    };
    if end > block.1 {
        return Err(format!(
            "it needs {} sectors from sector {start}, there are {} free",
            end - start + 1,
            block.1 - start + 1
        ));
    }
    Ok((start, end))
}

/// Aligned beginning of the largest free block; of equal ones the first.
fn largest(blocks: &[(u64, u64)], align: u64) -> Option<u64> {
    blocks
        .iter()
        .filter_map(|(first, last)| {
            let start = first.checked_next_multiple_of(align)?;
            (start <= *last).then_some((last - first, std::cmp::Reverse(start)))
        })
        .max()
        .map(|(_, start)| start.0)
}

/// Free blocks, first and last sector.
fn free_blocks(taken: &[(u64, u64)], table: &Table) -> Vec<(u64, u64)> {
    let mut taken = taken.to_vec();
    taken.arrange();
    let mut blocks = Vec::new();
    let mut next = table.first_usable;
    for (start, end) in taken {
        // An entry of a damaged table may begin behind the last usable sector.
        if start > next && next <= table.last_usable {
            blocks.push((next, (start - 1).min(table.last_usable)));
        }
        next = next.max(end.saturating_add(1));
    }
    if next <= table.last_usable {
        blocks.push((next, table.last_usable));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 2048;

    fn table() -> Table {
        Table::empty(100 << 20, 512)
    }

    fn wanted(start: Option<u64>, sectors: Option<u64>) -> Wanted {
        Wanted { start, sectors }
    }

    #[test]
    fn open_places_take_the_largest_block_one_after_the_other() {
        let list = [
            wanted(None, Some(10 * MIB)),
            wanted(None, Some(20 * MIB)),
            wanted(None, None),
        ];
        let placed = place(&list, &table(), MIB).unwrap();
        assert_eq!(placed[0], (MIB, 11 * MIB - 1));
        assert_eq!(placed[1], (11 * MIB, 31 * MIB - 1));
        assert_eq!(placed[2], (31 * MIB, table().last_usable));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let list = [wanted(None, Some(50 * MIB)), wanted(None, Some(60 * MIB))];
        assert_eq!(place(&list, &table(), MIB).unwrap_err().0, 1);
        let list = [wanted(Some(MIB), None), wanted(Some(2 * MIB), Some(MIB))];
        let (at, why) = place(&list, &table(), MIB).unwrap_err();
        assert!(
            at == 1 && why.contains("belongs to another partition"),
            "{why}"
        );
        assert!(place(&[wanted(Some(5), None)], &table(), MIB).is_err());
        assert!(place(&[wanted(Some(u64::MAX), Some(u64::MAX))], &table(), MIB).is_err());
    }

    proptest::proptest! {
        /// Whatever is asked: nothing overlaps, and nothing leaves the usable sectors.
        #[test]
        fn places_never_overlap(asked in proptest::collection::vec((proptest::option::of(0u64..120), proptest::option::of(1u64..60)), 1..8)) {
            let list: Vec<Wanted> = asked.iter().map(|(start, size)| wanted(start.map(|s| s * MIB), size.map(|s| s * MIB))).collect();
            if let Ok(mut placed) = place(&list, &table(), MIB) {
                placed.arrange();
                for (start, end) in &placed {
                    proptest::prop_assert!(start <= end && *start >= table().first_usable && *end <= table().last_usable);
                }
                for pair in placed.windows(2) {
                    proptest::prop_assert!(pair[0].1 < pair[1].0);
                }
            }
        }
    }
}
