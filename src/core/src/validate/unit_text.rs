//! The syntax of unit files (systemd.syntax(7)), as far as it is an error to break it.

/// Names of the sections in order, or the line (from 1) that is wrong and why.
pub(super) fn sections(text: &str) -> Result<Vec<String>, (usize, String)> {
    let mut sections: Vec<String> = Vec::new();
    let mut continued = false;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let trimmed = line.trim();
        let comment = trimmed.starts_with(['#', ';']);
        if continued {
            // Comments between the lines of a continued value are passed over.
            continued = comment || line.ends_with('\\');
            continue;
        }
        if trimmed.is_empty() || comment {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            match rest.strip_suffix(']') {
                Some(name) if !name.is_empty() && !name.contains(['[', ']']) => {
                    sections.push(name.to_string())
                }
                _ => return Err((number, format!("{trimmed:?} is no section name"))),
            }
            continue;
        }
        if sections.is_empty() {
            return Err((
                number,
                "there is a setting before the first [Section]".into(),
            ));
        }
        match line.split_once('=') {
            Some((key, _)) if !key.trim().is_empty() => continued = line.ends_with('\\'),
            _ => return Err((number, "expected KEY=VALUE".into())),
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_text_is_checked_line_by_line() {
        let good = "# c\n\n[Unit]\nDescription=a\\\n  b\n; c\n[Service]\nExecStart=/bin/x \\\n# c\n -y\n\n[Install]\n";
        assert_eq!(
            sections(good),
            Ok(vec!["Unit".into(), "Service".into(), "Install".into()])
        );
        assert_eq!(sections("ExecStart=x").map_err(|e| e.0), Err(1));
        assert_eq!(sections("[Unit]\nfoo").map_err(|e| e.0), Err(2));
        assert_eq!(sections("[Unit]\n=x").map_err(|e| e.0), Err(2));
        assert_eq!(sections("[Unit").map_err(|e| e.0), Err(1));
    }
}
