//! Findings in the words of the language that the user writes.
//!
//! Validation sees Ignition, whatever was written: its words for keys and numbers are those of JSON.

use crate::diag::Diagnostic;

/// Says what is found in YAML's words: keys in snake case and without quotation marks, modes in octal.
pub(super) fn in_yaml(found: &mut Diagnostic) {
    found.message = keys(&found.message, false);
    if let Some(help) = &found.help {
        found.help = Some(mode(help).unwrap_or_else(|| keys(help, true)));
    }
}

/// What to write for a mode that was meant in octal.
fn mode(help: &str) -> Option<String> {
    if let Some((octal, _)) = help
        .split_once(", which is ")
        .filter(|_| help.ends_with("decimal"))
    {
        return Some(octal.into());
    }
    let (before, _) = help.split_once(" write ")?;
    let octal = before.rsplit_once(' ')?.1;
    let is_mode = before.contains("mode ") && octal.bytes().all(|byte| byte.is_ascii_digit());
    is_mode.then(|| format!("write {octal}, which YAML takes for octal"))
}

/// The text with its keys as YAML has them: `sizeMiB` → `size_mib`, `"path":` → `path:`. What else stands in
/// quotation marks is the user's.
fn keys(text: &str, is_help: bool) -> String {
    let mut said = String::with_capacity(text.len());
    for (index, part) in text.split('"').enumerate() {
        let is_quoted = index % 2 == 1;
        let behind: usize = text
            .split('"')
            .take(index + 1)
            .map(|part| part.len() + 1)
            .sum();
        let is_json = |rest: &str| {
            [": \"", ": {", ": ["]
                .iter()
                .any(|value| rest.starts_with(value))
        };
        let is_key = is_help
            && is_quoted
            && text.get(behind..).is_some_and(is_json)
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match (is_quoted, is_key) {
            (true, false) => {
                said.push('"');
                said.push_str(part);
                said.push('"');
            }
            _ => snake_case(part, &mut said),
        }
    }
    // A mark that is never closed.
    if text.split('"').count().is_multiple_of(2) {
        said.pop();
    }
    said
}

/// Adds a text in which words with capitals inside are in snake case.
fn snake_case(text: &str, said: &mut String) {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || "_/.-=".contains(c);
    let mut rest = text;
    while let Some(first) = rest.find(is_of_word) {
        let (between, word) = rest.split_at(first);
        let end = word.find(|c| !is_of_word(c)).unwrap_or(word.len());
        let (word, next) = word.split_at(end);
        said.push_str(between);
        let is_key = word.starts_with(|c: char| c.is_ascii_lowercase())
            && !word.contains(['/', '=', '_', '-']);
        for c in word.replace("MiB", "Mib").chars() {
            if is_key && c.is_ascii_uppercase() {
                said.push('_');
                said.push(c.to_ascii_lowercase());
            } else if !is_key {
                said.push_str(word);
                break;
            } else {
                said.push(c);
            }
        }
        rest = next;
    }
    said.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_modes_are_yamls() {
        for (json, yaml) in [
            (
                "give sizeMiB if a certain size is meant",
                "give size_mib if a certain size is meant",
            ),
            ("add \"filesystem\": \"root\"", "add filesystem: \"root\""),
            (
                "the unit \"myUnit\" has 5 MiB",
                "the unit \"myUnit\" has 5 MiB",
            ),
            (
                "add ExecStart= and kernelArguments.shouldExist",
                "add ExecStart= and kernel_arguments.should_exist",
            ),
            ("a \" alone and sizeMiB", "a \" alone and sizeMiB"),
            ("/etc/myApp stays", "/etc/myApp stays"),
            (
                "for the mode 0644 write 420",
                "write 0644, which YAML takes for octal",
            ),
            (
                "the number is decimal: for the octal mode 0644 write 420",
                "write 0644, which YAML takes for octal",
            ),
            ("use 0755, which is 493 in decimal", "use 0755"),
            ("", ""),
        ] {
            let mut found = Diagnostic::error(None, json).help(json);
            in_yaml(&mut found);
            assert_eq!(found.help.as_deref(), Some(yaml));
        }
    }
}
