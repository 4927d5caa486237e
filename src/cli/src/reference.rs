//! Man pages, shell completions and the reference of the command line, made of the same types that read it.
//!
//! They are checked in, so that nobody has to build the program to install or read them. `UPDATE_GOLDENS=1` writes them
//! anew; without it they are compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::{afterburn, args, drop_in, install};

/// Names and contents of the files of one directory.
type Files = BTreeMap<String, Vec<u8>>;

/// The command lines that clap reads, each under its own name.
fn commands() -> Vec<Command> {
    vec![
        args::Arguments::command(),
        install::flatcar_install_command(),
        install::coreos_installer_command(),
        // Its pages have the name that it is called by.
        afterburn::command().display_name("afterburn"),
    ]
}

/// The names whose flags are read in Go's way or by the program of the initramfs: what they print as help.
fn usages() -> Vec<(&'static str, &'static str, String)> {
    vec![
        (
            "pilotlight-boot",
            "the program of the initramfs",
            pilotlight_boot::jobs::USAGE.into(),
        ),
        (
            "ignition",
            "run a stage of the first boot, by pilotlight",
            pilotlight_boot::stage::usage(),
        ),
        (
            "ignition-validate",
            "check a config, by pilotlight",
            drop_in::VALIDATE_USAGE.into(),
        ),
        (
            "ignition-apply",
            "write a config into a directory tree, by pilotlight",
            drop_in::APPLY_USAGE.into(),
        ),
        (
            "ignition-rmcfg",
            "take the config away from where the hypervisor keeps it, by pilotlight",
            pilotlight_boot::rmcfg::USAGE.into(),
        ),
    ]
}

/// The first request of a page. It has no date: the same sources give the same bytes.
fn title(name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {name} 1 \"\" \"pilotlight {version}\" \"pilotlight\"")
}

/// A page of troff that shows a usage text as it is.
fn usage_page(name: &str, about: &str, usage: &str) -> String {
    let plain = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let mut page = format!(
        "{}\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.nf\n",
        title(name),
        plain(name),
        plain(about)
    );
    for line in usage.lines() {
        // Neither the points nor the quotation marks that begin a line are requests.
        let _ = writeln!(page, "\\&{}", plain(line));
    }
    page.push_str(".fi\n.SH SEE ALSO\n.BR pilotlight (1)\n");
    page
}

fn man_pages() -> Files {
    let work = tempfile::tempdir().unwrap();
    for command in commands() {
        clap_mangen::generate_to(command, work.path()).unwrap();
    }
    let mut pages = files_of(work.path());
    for (file, page) in &mut pages {
        // clap_mangen titles the page of a subcommand without the names before it.
        let name = file.trim_end_matches(".1");
        let text = String::from_utf8(std::mem::take(page)).unwrap();
        // What stands behind the options is broken into lines already.
        let text = text
            .replace(".SH EXTRA\n", ".SH NOTES\n.nf\n")
            .replace(".SH VERSION\n", ".fi\n.SH VERSION\n");
        let lines = text.lines().map(|line| match line.starts_with(".TH ") {
            true => title(name),
            false => line.trim_end().to_owned(),
        });
        *page = (lines.collect::<Vec<_>>().join("\n") + "\n").into_bytes();
    }
    for (name, about, usage) in usages() {
        let page = usage_page(name, about, &usage);
        pages.insert(format!("{name}.1"), page.into());
    }
    pages
}

/// For bash, fish and zsh, of every name that clap reads the arguments of.
fn completions() -> Files {
    let work = tempfile::tempdir().unwrap();
    for mut command in commands() {
        let name = command.get_name().to_owned();
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            clap_complete::generate_to(shell, &mut command, &name, work.path()).unwrap();
        }
    }
    files_of(work.path())
}

/// All of it as one chapter of the book.
fn reference() -> Files {
    let mut text = String::from(
        "# Command line\n\nWhat each command prints as its help. The tests compare this page with the program.\n",
    );
    for command in commands() {
        let mut command = command;
        command.build();
        let name = command.get_name().to_owned();
        chapter(&mut text, &name, &mut command);
    }
    for (name, _, usage) in usages() {
        let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", usage.trim_end());
    }
    BTreeMap::from([("command-line.md".into(), text.into_bytes())])
}

fn chapter(text: &mut String, name: &str, command: &mut Command) {
    let help = command.render_long_help().to_string();
    let _ = write!(text, "\n## {name}\n\n```text\n");
    for line in help.trim_end().lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("```\n");
    for below in command.get_subcommands_mut() {
        if !below.is_hide_set() && below.get_name() != "help" {
            let name = format!("{name} {}", below.get_name());
            chapter(text, &name, below);
        }
    }
}

fn files_of(directory: &Path) -> Files {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Compares with what is checked in below `docs`, or writes it. `whole` means that nothing else is in there.
fn current(directory: &str, made: &Files, whole: bool) {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(directory);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        if whole && place.exists() {
            fs::remove_dir_all(&place).unwrap();
        }
        fs::create_dir_all(&place).unwrap();
        for (name, content) in made {
            fs::write(place.join(name), content).unwrap();
        }
        return;
    }
    let again = "UPDATE_GOLDENS=1 cargo test --workspace --bin pilotlight reference";
    if whole {
        let there: Vec<String> = files_of(&place).into_keys().collect();
        let names: Vec<&String> = made.keys().collect();
        assert_eq!(there.iter().collect::<Vec<_>>(), names, "run {again}");
    }
    for (name, content) in made {
        let path = place.join(name);
        let there = fs::read(&path).unwrap_or_default();
        assert!(
            there == *content,
            "{} is not what the command line is now: run {again}",
            path.display()
        );
    }
}

#[test]
fn man_pages_are_current() {
    current("man", &man_pages(), true);
}

#[test]
fn completions_are_current() {
    current("completions", &completions(), true);
}

#[test]
fn the_reference_is_current() {
    current(".", &reference(), false);
}

#[test]
fn every_old_name_has_a_page() {
    let pages = man_pages();
    for name in [
        "ignition",
        "ignition-validate",
        "ignition-apply",
        "ignition-rmcfg",
        "afterburn",
        "flatcar-install",
        "coreos-installer",
    ] {
        assert!(pages.contains_key(&format!("{name}.1")), "{name}");
    }
    // The units name these in Documentation=.
    for name in [
        "pilotlight-oem-run",
        "pilotlight-oem-once",
        "pilotlight-rmcfg",
    ] {
        assert!(pages.contains_key(&format!("{name}.1")), "{name}");
    }
}
