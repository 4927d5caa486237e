//! Misspelt names and what was probably meant.

/// Longest name that is compared; longer ones are no typing errors.
const LONGEST: usize = 64;

/// The known name nearest to a misspelt one, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    nearest_within(name, known.iter().copied(), limit)
}

/// The known name with the fewest edits, if it takes no more than `limit` of them. Upper and lower
/// case count as equal.
pub fn nearest_within<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    limit: usize,
) -> Option<&'a str> {
    let length = name.chars().count();
    known
        .into_iter()
        // Names whose lengths differ too much are far apart without a look at their letters.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().take(LONGEST).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let here = if x == *y { diagonal } else { diagonal + 1 };
            diagonal = row[j + 1];
            row[j + 1] = here.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_typing_errors_only() {
        let known = ["files", "filesystems", "links"];
        assert_eq!(nearest("file", &known), Some("files"));
        assert_eq!(nearest("filesytems", &known), Some("filesystems"));
        assert_eq!(nearest("passwd", &known), None);
    }

    #[test]
    fn the_number_of_edits_is_bounded() {
        let within = |name, limit| nearest_within(name, ["ExecStart", "ExecStop"], limit);
        assert_eq!(within("execstart", 0), Some("ExecStart"));
        assert_eq!(within("ExecStrat", 2), Some("ExecStart"));
        assert_eq!(within("ExecStrat", 1), None);
        assert_eq!(within("ExecStarted", 1), None);
        assert_eq!(within(&"x".repeat(100_000), 100_000 / 3), None);
    }
}
