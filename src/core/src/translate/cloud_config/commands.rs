//! `bootcmd` and `runcmd`: one script each, as cloud-init writes them, so that a command sees what the
//! commands before it have set.

use super::Build;
use super::node::text;
use crate::diag::Diagnostic;
use crate::json::{Node, Value};
use crate::spec::cloud_config::{Document, Raw};
use crate::translate::commands::{When, quoted, script};

impl Build<'_> {
    pub(super) fn commands(&mut self, document: &Document) {
        self.command_list("bootcmd", &document.bootcmd, When::Early);
        self.command_list("runcmd", &document.runcmd, When::OnceLate);
    }

    fn command_list(&mut self, key: &str, raw: &Option<Raw>, when: When) {
        let Some(Raw(node)) = raw else { return };
        let items = match &node.value {
            Value::Null => return,
            Value::Array(items) => items,
            other => {
                let message = format!("{key} is a list of commands, this is {}", other.kind());
                self.error(Some(node.span), message, "begin each command with - ");
                return;
            }
        };
        let mut lines = String::from("#!/bin/sh\n");
        let mut any = false;
        for item in items {
            if let Some(line) = self.command(key, item) {
                lines.push_str(&line);
                lines.push('\n');
                any = true;
            }
        }
        if any {
            let what = format!("{key} of the cloud-config");
            let (file, unit) = script(key, &what, &lines, when, Some(node.span));
            self.add_file(file);
            self.config.systemd.units.push(unit);
        }
    }

    /// A line of the script: a text as it stands, a list with its words quoted.
    fn command(&mut self, key: &str, item: &Node) -> Option<String> {
        let line = match &item.value {
            Value::Null => return None,
            Value::Array(words) => {
                let mut quoted_words = Vec::new();
                for word in words {
                    match text(word) {
                        Some(word) => quoted_words.push(quoted(&word.value)),
                        None => {
                            let message = format!(
                                "a word of a command is a text, this is {}",
                                word.value.kind()
                            );
                            self.error(Some(word.span), message, "put quotes around the word");
                            return None;
                        }
                    }
                }
                quoted_words.join(" ")
            }
            Value::Object(_) => {
                self.report.push(
                    Diagnostic::error(
                        item.span,
                        format!("a command of {key} is a text or a list, this is a mapping"),
                    )
                    .help("YAML takes \": \" in a line for a key: put quotes around the command"),
                );
                return None;
            }
            _ => text(item)?.value,
        };
        if line.contains('\0') {
            self.error(
                Some(item.span),
                "a command holds the character NUL",
                "remove it",
            );
            return None;
        }
        let first = match &item.value {
            Value::Array(words) => words.first().and_then(text).map(|word| word.value),
            _ => line.split_whitespace().next().map(str::to_owned),
        };
        if first.is_some_and(|program| program == "cloud-init-per" || program == "cloud-init") {
            self.warning(
                Some(item.span),
                "cloud-init is not on this system: the command will fail",
                "test for a file in the command, as [ -e /var/lib/x ] || …",
            );
        }
        Some(line)
    }
}
