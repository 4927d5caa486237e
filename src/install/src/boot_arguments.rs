//! Kernel arguments and consoles of an installed system, as changes of a boot loader's text.
//!
//! Flatcar's GRUB reads `linux_append` and `linux_console` from the OEM partition's grub.cfg. Fedora CoreOS has an
//! entry for each deployment whose line `options` holds all arguments (Boot Loader Specification, type 1).

use pilotlight_core::grub;

/// First line of the installer's own block, which is not that of the first boot: a config's kernel arguments are
/// made anew by every first boot, these stay.
const BEGIN: &str = "# BEGIN installed by pilotlight";
/// Its last line.
const END: &str = "# END installed by pilotlight";

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootArguments {
    /// Arguments that are added, unless they are there.
    pub append: Vec<String>,
    /// Arguments that are taken away.
    pub delete: Vec<String>,
    /// Consoles instead of the image's own, as after `console=`.
    pub console: Vec<String>,
}

impl BootArguments {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.append.is_empty() && self.delete.is_empty() && self.console.is_empty()
    }

    /// Why these can stand in no boot loader's text.
    pub fn fault(&self) -> Option<String> {
        let all = [&self.append, &self.delete, &self.console];
        all.into_iter().flatten().find_map(|word| {
            let why = match word.is_empty() {
                true => Some("nothing"),
                false => grub::unspeakable(word),
            }?;
            Some(format!(
                "the kernel argument {word:?} has {why} in it, which does not reach the kernel by way of a boot loader"
            ))
        })
    }

    /// The OEM partition's grub.cfg with these; an earlier installation's are gone.
    ///
    /// Errors: an argument that is to be taken away is not set there, so that it would stay.
    pub fn in_grub_cfg(&self, text: &str) -> Result<String, String> {
        let (foreign, of_first_boot) = grub::split(text)?;
        let mut text = without_block(&foreign)?;
        let mut statements = Vec::new();
        if !self.console.is_empty() {
            let words: Vec<String> = (self.console.iter())
                .map(|console| format!("console={console}"))
                .collect();
            statements.push(format!("set linux_console=\"{}\"", words.join(" ")));
        }
        let there = grub::evaluate(&text, &[])?;
        match (&there, self.delete.is_empty()) {
            (grub::Value::Known(words), false) => {
                let mut words = words.clone();
                for word in &self.delete {
                    let before = words.len();
                    words.retain(|known| known != word);
                    if words.len() == before {
                        return Err(format!(
                            "{word:?} is to be taken away, and grub.cfg of the OEM partition does not add it (it adds: {}); what the image's own boot loader adds stays",
                            listed(&words)
                        ));
                    }
                }
                add(&mut words, &self.append);
                statements.push(grub::statement(false, &words));
            }
            (grub::Value::Unknown(why), false) => {
                return Err(format!(
                    "nobody can tell before GRUB runs which arguments grub.cfg of the OEM partition adds ({why}), so none can be taken away"
                ));
            }
            (grub::Value::Known(words), true) => {
                let mut new = words.clone();
                add(&mut new, &self.append);
                statements.push(grub::statement(true, &new[words.len()..]));
            }
            (grub::Value::Unknown(_), true) => statements.push(grub::statement(true, &self.append)),
        }
        statements.retain(|statement| !statement.is_empty());
        if !statements.is_empty() {
            end_line(&mut text);
            text.push_str(&format!("{BEGIN}: what the installer was asked for\n"));
            for statement in statements {
                text.push_str(&statement);
                text.push('\n');
            }
            text.push_str(&format!("{END}\n"));
        }
        grub::with_block(&text, of_first_boot.trim_end_matches('\n'))
    }

    /// An entry of the Boot Loader Specification with these.
    ///
    /// Errors: it has no line `options`, or an argument that is to be taken away is not there.
    pub fn in_entry(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut changed = false;
        for line in text.split_inclusive('\n') {
            let Some(options) = line.strip_prefix("options ").filter(|_| !changed) else {
                out.push_str(line);
                continue;
            };
            let mut words: Vec<String> = options.split_whitespace().map(Into::into).collect();
            for word in &self.delete {
                let before = words.len();
                words.retain(|known| known != word);
                if words.len() == before {
                    return Err(format!(
                        "{word:?} is to be taken away and is not there (there are: {})",
                        listed(&words)
                    ));
                }
            }
            if !self.console.is_empty() {
                words.retain(|word| !word.starts_with("console="));
                let consoles = self.console.iter().map(|name| format!("console={name}"));
                words.extend(consoles);
            }
            add(&mut words, &self.append);
            out.push_str(&format!("options {}\n", words.join(" ")));
            changed = true;
        }
        match changed {
            true => Ok(out),
            false => Err("it has no line that begins with \"options\"".into()),
        }
    }
}

fn listed(words: &[String]) -> String {
    match words.is_empty() {
        true => "none".into(),
        false => words.join(" "),
    }
}

fn add(words: &mut Vec<String>, more: &[String]) {
    for word in more {
        if !words.contains(word) {
            words.push(word.clone());
        }
    }
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

fn without_block(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        match (inside, line.starts_with(BEGIN), line.starts_with(END)) {
            (false, true, _) => inside = true,
            (true, _, true) => inside = false,
            (false, ..) => out.push_str(line),
            (true, ..) => {}
        }
    }
    match inside {
        false => Ok(out),
        true => Err(format!(
            "the block \"{BEGIN}\" does not end with a line \"{END}\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(Into::into).collect()
    }

    fn arguments(append: &str, delete: &str, console: &str) -> BootArguments {
        BootArguments {
            append: words(append),
            delete: words(delete),
            console: words(console),
        }
    }

    #[test]
    fn grub_cfg_gets_a_block_that_a_rerun_replaces() {
        let image = "set oem_id=\"metal\"\nset linux_append=\"a b\"";
        let once = arguments("quiet b", "", "ttyS1,57600n8 tty0")
            .in_grub_cfg(image)
            .unwrap();
        assert_eq!(
            once,
            "set oem_id=\"metal\"\nset linux_append=\"a b\"\n\
             # BEGIN installed by pilotlight: what the installer was asked for\n\
             set linux_console=\"console=ttyS1,57600n8 console=tty0\"\n\
             set linux_append=\"$linux_append quiet\"\n\
             # END installed by pilotlight\n"
        );
        let again = arguments("x", "a", "").in_grub_cfg(&once).unwrap();
        assert_eq!(
            again,
            "set oem_id=\"metal\"\nset linux_append=\"a b\"\n\
             # BEGIN installed by pilotlight: what the installer was asked for\n\
             set linux_append=\"b x\"\n# END installed by pilotlight\n"
        );
        let none = BootArguments::default().in_grub_cfg(&again).unwrap();
        assert_eq!(none, format!("{image}\n"));
    }

    #[test]
    fn the_first_boots_block_stays_behind_ours() {
        let image =
            grub::with_block("set oem_id=x\n", "set linux_append=\"$linux_append c\"").unwrap();
        let text = arguments("a", "", "").in_grub_cfg(&image).unwrap();
        let (foreign, block) = grub::split(&text).unwrap();
        assert!(foreign.contains("$linux_append a"), "{text}");
        assert_eq!(block, "set linux_append=\"$linux_append c\"\n");
    }

    #[test]
    fn what_cannot_be_taken_away_is_said() {
        for (text, named) in [
            ("set linux_append=\"a\"\n", "(it adds: a)"),
            ("", "(it adds: none)"),
            ("source /other.cfg\n", "nobody can tell"),
        ] {
            let said = arguments("", "b", "").in_grub_cfg(text).unwrap_err();
            assert!(said.contains(named), "{said}");
        }
    }

    #[test]
    fn entries_have_their_options_changed() {
        let entry =
            "title Fedora\nversion 1\noptions root=x console=tty0 console=ttyS0 quiet\ninitrd /i\n";
        let changed = arguments("nosmt quiet", "root=x", "ttyS1")
            .in_entry(entry)
            .unwrap();
        assert_eq!(
            changed,
            "title Fedora\nversion 1\noptions quiet console=ttyS1 nosmt\ninitrd /i\n"
        );
        assert!(arguments("a", "", "").in_entry("title x\n").is_err());
        assert!(arguments("", "b", "").in_entry(entry).is_err());
    }

    #[test]
    fn words_that_no_boot_loader_passes_on_are_refused() {
        assert_eq!(arguments("a=b", "c", "tty0").fault(), None);
        for wrong in ["", "a b", "a\"b", "a\nb", "ü"] {
            let asked = BootArguments {
                append: vec![wrong.into()],
                ..BootArguments::default()
            };
            assert!(asked.fault().is_some(), "{wrong:?}");
        }
    }
}
