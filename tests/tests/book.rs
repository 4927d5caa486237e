//! The book in `docs`, and what else people read here: links lead somewhere, each page has its place, and what the
//! tables name is there.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the files of a directory.
fn names(directory: &str) -> BTreeSet<String> {
    fs::read_dir(repository().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The lines of a text outside of its blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        is_code ^= fence;
        !fence && !is_code && !line.starts_with("    ")
    })
}

/// Where the links of a text lead.
fn links(text: &str) -> Vec<String> {
    // A link may begin on one line and end on the next.
    let whole: Vec<&str> = prose(text).collect();
    let whole = whole.join("\n");
    (whole.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_string())
        .collect()
}

/// The anchors of a text's headings, as mdBook and others make them.
fn anchors(text: &str) -> BTreeSet<String> {
    (prose(text).filter(|line| line.starts_with('#')))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|sign| match sign {
                ' ' => Some('-'),
                sign if sign.is_alphanumeric() || sign == '-' || sign == '_' => Some(sign),
                _ => None,
            });
            kept.collect()
        })
        .collect()
}

/// Fails at a link that leads nowhere; those of the book stay in it, for nothing else is rendered.
fn check_links(page: &str, within: &str) -> usize {
    let text = read(page);
    let directory = repository().join(page).parent().unwrap().to_path_buf();
    let within = repository().join(within).canonicalize().unwrap();
    let targets = links(&text);
    for target in &targets {
        if target.starts_with("https:") {
            continue;
        }
        let (file, anchor) = match target.split_once('#') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (target.as_str(), None),
        };
        let path = match file {
            "" => repository().join(page),
            file => directory.join(file),
        };
        let there = path.canonicalize();
        let there = there.unwrap_or_else(|_| panic!("{page}: {target} leads nowhere"));
        assert!(there.starts_with(&within), "{page}: {target} leads out");
        if let Some(anchor) = anchor {
            let known = anchors(&fs::read_to_string(&there).unwrap());
            assert!(known.contains(anchor), "{page}: {target}: only {known:?}");
        }
    }
    targets.len()
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for page in names("docs") {
        if page.ends_with(".md") {
            links += check_links(&format!("docs/{page}"), "docs");
        }
    }
    for page in [
        "README.md",
        "CHANGELOG.md",
        "benches/README.md",
        "examples/README.md",
    ] {
        links += check_links(page, ".");
    }
    assert!(links > 20, "{links}");
}

#[test]
fn each_page_has_its_place() {
    let listed: BTreeSet<String> = links(&read("docs/SUMMARY.md")).into_iter().collect();
    let pages: BTreeSet<String> = (names("docs").into_iter())
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect();
    assert_eq!(listed, pages);
}

/// The cells of the tables of a text, line by line.
fn rows(text: &str) -> Vec<Vec<String>> {
    (prose(text).filter(|line| line.starts_with('|') && !line.starts_with("|---")))
        .map(|line| {
            let line = line.trim_matches('|');
            line.split('|')
                .map(|cell| cell.trim().to_string())
                .collect()
        })
        .collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn what_takes_a_units_place_is_there() {
    let mut units = names("systemd");
    units.extend(names("dracut/30pilotlight"));
    // A config brings it, for coreos-cloudinit's variables.
    units.insert("pilotlight-addresses.service".into());
    let mut seen = 0;
    for row in rows(&read("docs/old-tools.md")) {
        let here = row.last().unwrap();
        // "The same" is what stands on the left.
        let cell = match here.starts_with("the same") {
            true => &row[0],
            false => here,
        };
        for name in quoted(cell) {
            if name.ends_with(".service") || name.ends_with(".target") {
                assert!(units.contains(name), "{name}, in {row:?}");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
    for row in rows(&read("docs/distributions.md")) {
        let name = quoted(&row[0]).first().copied().unwrap_or_default();
        if name.ends_with(".service") {
            assert!(units.contains(name), "{name}");
        }
    }
}

#[test]
fn places_and_variables_of_the_tables_are_there() {
    // The lists of places to touch would be the first to lie.
    let mut paths = 0;
    for name in quoted(&read("docs/carry-on.md")) {
        let is_path = [
            "src/",
            "providers/",
            "tests/",
            "fuzz/",
            "vm-tests/",
            "dracut/",
        ]
        .iter()
        .any(|room| name.starts_with(room));
        if is_path && !name.contains("NAME") {
            assert!(repository().join(name).exists(), "{name} is not there");
            paths += 1;
        }
    }
    assert!(paths > 20, "{paths}");
    let text = read("packaging/install.mk");
    let set: BTreeMap<&str, &str> = (text.lines())
        .filter_map(|line| line.split_once(" ?="))
        .collect();
    let mut seen = BTreeSet::new();
    for row in rows(&read("docs/distributions.md")) {
        for variable in quoted(row.last().unwrap()) {
            if variable.ends_with("DIR") {
                assert!(set.contains_key(variable), "{variable}");
                seen.insert(variable.to_string());
            }
        }
    }
    assert!(seen.len() >= 10, "{seen:?}");
}

/// All sources below a directory, one after the other; texts that are broken by a `\` are whole.
fn sources(below: &Path, into: &mut String) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        if path.is_dir() {
            sources(&path, into);
        } else if matches!(kind, Some("rs" | "sh")) {
            let text = fs::read_to_string(&path).unwrap();
            let mut pieces = text.split("\\\n");
            into.push_str(pieces.next().unwrap_or_default());
            for piece in pieces {
                into.push_str(piece.trim_start());
            }
        }
    }
}

#[test]
fn the_program_says_what_the_book_explains() {
    let mut code = String::new();
    for room in ["src", "providers/src", "dracut/30pilotlight"] {
        sources(&repository().join(room), &mut code);
    }
    let (mut seen, mut unsaid) = (0, Vec::new());
    for row in rows(&read("docs/errors.md")) {
        for text in row[0].split('"').skip(1).step_by(2) {
            // What a … stands for differs from machine to machine.
            for part in text.split('…').map(|part| part.trim_matches([' ', ','])) {
                if part.len() > 5 {
                    unsaid.extend((!code.contains(part)).then(|| part.to_string()));
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(unsaid, Vec::<String>::new());
    assert!(seen > 30, "{seen}");
}
