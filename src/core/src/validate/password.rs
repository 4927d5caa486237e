//! Password hashes as crypt(5) describes them.

/// What is wrong with a value of passwordHash, and what to do. The value itself is never part of it.
pub(super) fn fault(value: &str) -> Option<(&'static str, &'static str)> {
    // No password at all, and accounts that are locked in the ways of passwd(1).
    if value.is_empty() || value.starts_with(['*', '!']) || matches!(value, "x" | "NP") {
        return None;
    }
    let Some(rest) = value.strip_prefix('$') else {
        let traditional = value.len() == 13 && value.chars().all(is_digit);
        let extended = value.len() == 20
            && value
                .strip_prefix('_')
                .is_some_and(|rest| rest.chars().all(is_digit));
        return (!traditional && !extended).then_some((
            "this is no password hash, nobody can log in with it: does the password itself stand here?",
            "make a hash with \"openssl passwd -6\" and write that",
        ));
    };
    is_cut_off(rest).then_some((
        "the password hash is cut off or damaged, nobody can log in with it",
        "copy it once more, from the first $ on; in a shell it needs single quotes",
    ))
}

/// Digits of crypt's own base64.
fn is_digit(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.' || c == '/'
}

/// Whether a hash of a known method lacks something. Methods that are not known here may be new.
fn is_cut_off(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('$').collect();
    // How many parts the hash has, the method included, and how many digits the last one has.
    let (least, length) = match parts.first().copied().unwrap_or_default() {
        "1" => (3, 22),
        "5" => (3, 43),
        "6" => (3, 86),
        "2a" | "2b" | "2x" | "2y" => (3, 53),
        "7" => (3, 43),
        "y" | "gy" => (4, 43),
        "" => return true,
        _ => return false,
    };
    let last = parts.last().copied().unwrap_or_default();
    parts.len() < least || last.len() != length || !last.chars().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_told_from_passwords() {
        let sha512 = "a".repeat(86);
        let (sha256, bcrypt) = ("b".repeat(43), "c".repeat(53));
        for good in [
            "",
            "*",
            "!",
            "!!",
            "x",
            "!$6$salt$cut",
            "rl.3StKT.4T8M",
            "_J9..rasmBYk8r9AiWNc",
            "$1$3azHgidD$SrJPt7B.9rekpmwJwtON31",
            "$future$anything",
            &format!("$6$salt${sha512}"),
            &format!("$6$rounds=5000$salt${sha512}"),
            &format!("$5$salt${sha256}"),
            &format!("$2b$12${bcrypt}"),
            &format!("$y$j9T$salt${sha256}"),
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for (bad, words) in [
            ("hunter2", "no password hash"),
            ("correct horse battery staple", "no password hash"),
            ("6$salt$aaaa", "no password hash"),
            ("$6$salt", "cut off"),
            ("$6$salt$", "cut off"),
            ("$$", "cut off"),
            ("$", "cut off"),
            (&format!("$6$salt${}", &sha512[1..]), "cut off"),
            (&format!("$6$salt${}é", &sha512[2..]), "cut off"),
            (&format!("$y$salt${sha256}"), "cut off"),
        ] {
            let said = fault(bad).unwrap_or_else(|| panic!("{bad} is taken"));
            assert!(said.0.contains(words), "{bad}: {said:?}");
        }
    }
}
