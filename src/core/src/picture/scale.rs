//! Where on a bar the places of a disk are drawn.

/// Distances up to this are not told apart, unless they are a segment's: they are the alignment of others.
const SAME: u64 = 1 << 20;

/// Positions on a bar that is `width` wide: places of the disk (bytes) → units from the left.
///
/// Both sides of a disk share one scale, so that what stays in its place is drawn in one place. Distances
/// are proportional to sizes, but none is less than `least`: a BIOS boot partition on a disk of terabytes
/// is seen. With very many segments `least` gives way.
pub(super) struct Scale {
    places: Vec<(u64, u64)>,
}

impl Scale {
    /// Makes a scale for segments, given by where they begin and end.
    pub fn new(segments: &[(u64, u64)], width: u64, least: u64) -> Self {
        let mut edges: Vec<u64> = segments.iter().flat_map(|(a, b)| [*a, *b]).collect();
        edges.sort_unstable();
        edges.dedup();
        let spans: Vec<u64> = (edges.windows(2)).map(|pair| pair[1] - pair[0]).collect();
        let seen: Vec<bool> = (edges.windows(2))
            .map(|pair| pair[1] - pair[0] > SAME || segments.contains(&(pair[0], pair[1])))
            .collect();
        let shown = u64::try_from(seen.iter().filter(|seen| **seen).count()).unwrap_or(u64::MAX);
        let least = least.min(width / 2 / shown.max(1));
        let widths = widths(&spans, &seen, width, least);
        let mut at = 0;
        let mut places = Vec::new();
        for (index, edge) in edges.iter().enumerate() {
            places.push((*edge, at));
            at += widths.get(index).copied().unwrap_or(0);
        }
        Self { places }
    }

    /// Where an edge of a segment is drawn.
    pub fn at(&self, edge: u64) -> u64 {
        let index = self.places.partition_point(|(known, _)| *known < edge);
        (self.places.get(index).or(self.places.last())).map_or(0, |(_, at)| *at)
    }
}

/// Gives what would be too narrow its least width, and shares what is left in proportion, until all fit.
fn widths(spans: &[u64], seen: &[bool], width: u64, least: u64) -> Vec<u64> {
    let mut narrow = vec![false; spans.len()];
    loop {
        let free = |index: usize| seen[index] && !narrow[index];
        let fixed = (0..spans.len()).filter(|i| seen[*i] && narrow[*i]).count();
        let left = width.saturating_sub(least * u64::try_from(fixed).unwrap_or(0));
        let total: u128 = (0..spans.len())
            .filter(|i| free(*i))
            .map(|i| u128::from(spans[i]))
            .sum();
        let share = |span: u64| {
            let share = u128::from(span) * u128::from(left) / total.max(1);
            u64::try_from(share).unwrap_or(left)
        };
        let too_narrow: Vec<usize> = (0..spans.len())
            .filter(|i| free(*i) && share(spans[*i]) < least)
            .collect();
        if too_narrow.is_empty() {
            return (0..spans.len())
                .map(|i| match (seen[i], narrow[i]) {
                    (false, _) => 0,
                    (true, true) => least,
                    (true, false) => share(spans[i]),
                })
                .collect();
        }
        for index in too_narrow {
            narrow[index] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn widths_are_in_proportion_and_none_vanishes() {
        let tib = MIB * MIB;
        let disk = [(MIB, 2 * MIB), (2 * MIB, tib), (tib, 2 * tib)];
        let scale = Scale::new(&disk, 1000, 20);
        assert_eq!((scale.at(MIB), scale.at(2 * MIB)), (0, 20));
        assert_eq!((scale.at(tib), scale.at(2 * tib)), (509, 999));
    }

    #[test]
    fn alignment_is_not_drawn_but_a_small_partition_is() {
        let disk = [
            (MIB, 10 * MIB),
            (10 * MIB + 512, 20 * MIB),
            (20 * MIB, 20 * MIB + 512),
        ];
        let scale = Scale::new(&disk, 100, 10);
        assert_eq!(scale.at(10 * MIB), scale.at(10 * MIB + 512));
        assert_eq!(scale.at(20 * MIB + 512) - scale.at(20 * MIB), 10);
    }

    #[test]
    fn any_table_has_a_scale() {
        let many: Vec<(u64, u64)> = (0..128).map(|n| (n * MIB, (n + 1) * MIB)).collect();
        let scale = Scale::new(&many, 900, 28);
        assert!((0..128).all(|n| scale.at(n * MIB) < scale.at((n + 1) * MIB)));
        assert!(scale.at(128 * MIB) <= 900);
        for odd in [
            &[][..],
            &[(0, 0)],
            &[(u64::MAX, u64::MAX)],
            &[(0, u64::MAX), (5, 9)],
        ] {
            assert!(Scale::new(odd, 900, 28).at(u64::MAX) <= 900);
        }
    }
}
