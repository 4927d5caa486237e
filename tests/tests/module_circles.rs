//! No circle of modules: what uses what within a crate has one direction.
//!
//! Looked at are the modules that stand side by side, at each level: those of the crate's root, and those of
//! one directory. What lies below a module counts as the module's own, and a module and its parent are one
//! room: `mod.rs` uses its children, and they use its types. A name that a module hands on is looked for
//! where it comes from. Tests may use what they like.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Where a module stands: the names from the root of its crate.
type Place = Vec<String>;

/// What is known of a module's text.
#[derive(Default)]
struct Module {
    /// Names that `use` brings, with the paths as they are written.
    imports: BTreeMap<String, Vec<String>>,
    /// All paths in it, as they are written.
    paths: BTreeSet<Vec<String>>,
}

#[derive(Default)]
struct Modules(BTreeMap<Place, Module>);

/// Circles that stand yet, as `crate: room, room`, each with what would end it. One that is gone goes from here.
const KNOWN: &[(&str, &str)] = &[];

const CRATES: [(&str, &str); 8] = [
    ("core", "src/core/src/lib.rs"),
    ("fetch", "src/fetch/src/lib.rs"),
    ("sys", "src/sys/src/lib.rs"),
    ("host", "src/host/src/lib.rs"),
    ("engine", "src/engine/src/lib.rs"),
    ("providers", "providers/src/lib.rs"),
    ("oem", "src/oem/src/lib.rs"),
    ("install", "src/install/src/lib.rs"),
];

#[test]
fn no_circle_of_modules() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let mut found = BTreeMap::new();
    for (name, root) in CRATES {
        let modules = Modules::of(&top.join(root), &read);
        assert!(modules.0.len() > 5, "{name} is read");
        for (rooms, example) in modules.circles() {
            found.insert(format!("{name}: {rooms}"), example);
        }
    }
    let known: BTreeSet<&str> = KNOWN.iter().map(|(circle, _)| *circle).collect();
    let new: Vec<String> = found
        .iter()
        .filter(|(circle, _)| !known.contains(circle.as_str()))
        .map(|(circle, example)| format!("{circle}\n{example}"))
        .collect();
    assert!(new.is_empty(), "circles of modules:\n{}", new.join("\n"));
    let gone = known.iter().filter(|circle| !found.contains_key(**circle));
    let gone: Vec<_> = gone.collect();
    assert!(
        gone.is_empty(),
        "no longer there, take them from KNOWN: {gone:?}"
    );
}

/// Modules by a text for each file.
fn made_up(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let files: BTreeMap<PathBuf, String> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    let read = |path: &Path| files.get(path).cloned();
    Modules::of(Path::new("lib.rs"), &read).circles()
}

#[test]
fn a_circle_is_found() {
    let lib = ("lib.rs", "mod a; mod b; mod c;");
    for (what, b, circle) in [
        ("by use", "use crate::c::C;", true),
        ("in a group", "use crate::{a::{self}, c};", true),
        ("by a path", "fn f() { crate::c::g() }", true),
        ("by super", "fn f() { super::c::g() }", true),
        ("by a type", "struct B(crate::c::C);", true),
        ("in a macro", "fn f() { g!(1, crate::c::C) }", true),
        ("through an import", "use super::c; fn f() { c::g() }", true),
        ("in an inner module", "mod inner { use crate::c::C; }", true),
        ("none", "use std::c::C; fn c() {}", false),
        (
            "in a test",
            "#[cfg(test)] mod tests { use crate::c::C; }",
            false,
        ),
        ("in a test's file", "#[cfg(test)] mod tests;", false),
        (
            "in words",
            "/// crate::c::C\nconst B: &str = \"crate::c::C\";",
            false,
        ),
    ] {
        let found = made_up(&[
            lib,
            ("a.rs", "use crate::b::B;"),
            ("b.rs", b),
            ("c.rs", "use crate::a::A;"),
        ]);
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let expected: &[&str] = if circle { &["a, b, c"] } else { &[] };
        assert_eq!(names, expected, "{what}");
        if circle && what != "in a group" {
            let example = &found["a, b, c"];
            assert!(example.contains("a → b → c → a"), "{what}: {example}");
        }
    }
}

#[test]
fn a_name_is_looked_for_where_it_comes_from() {
    let lib = ("lib.rs", "mod a; mod b;");
    let found = made_up(&[
        lib,
        ("a/mod.rs", "mod x; mod y; pub use x::X; pub use y::Y;"),
        ("a/x.rs", "use crate::a::Y; pub struct X;"),
        ("a/y.rs", "use super::X; pub struct Y;"),
        ("b.rs", "use crate::a::X;"),
    ]);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a::x, a::y"]);
    // The parent's own types are the children's room.
    let found = made_up(&[
        lib,
        ("a.rs", "mod x; pub use x::X; pub struct A;"),
        ("a/x.rs", "use super::A; pub struct X;"),
        ("b.rs", "use crate::a::{A, X};"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

impl Modules {
    /// Reads the modules of a crate from the file of its root.
    fn of(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut modules = Self::default();
        modules.add_file(Vec::new(), root, read);
        modules
    }

    fn add_file(&mut self, place: Place, path: &Path, read: &dyn Fn(&Path) -> Option<String>) {
        let text = read(path).unwrap_or_else(|| panic!("{} is not there", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let above = path.parent().unwrap();
        let directory = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("lib" | "mod") => above.to_owned(),
            stem => above.join(stem.unwrap()),
        };
        self.add(place, &file.items, &directory, read);
    }

    fn add(
        &mut self,
        place: Place,
        items: &[syn::Item],
        directory: &Path,
        read: &dyn Fn(&Path) -> Option<String>,
    ) {
        let mut module = Module::default();
        for item in items {
            let syn::Item::Mod(inner) = item else {
                module.visit_item(item);
                continue;
            };
            if is_test(&inner.attrs) {
                continue;
            }
            let name = inner.ident.to_string();
            let mut below = place.clone();
            below.push(name.clone());
            match &inner.content {
                Some((_, items)) => self.add(below, items, &directory.join(&name), read),
                None => {
                    let file = directory.join(format!("{name}.rs"));
                    let path = match read(&file) {
                        Some(_) => file,
                        None => directory.join(&name).join("mod.rs"),
                    };
                    self.add_file(below, &path, read);
                }
            }
        }
        self.0.insert(place, module);
    }

    /// The module in which what a path in `from` names is; `None` where it is another crate's or a local name.
    fn resolve(&self, from: &[String], path: &[String], depth: u8) -> Option<Place> {
        let (first, mut rest) = path.split_first()?;
        let mut at = from.to_vec();
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop()?;
            }
            _ => rest = path,
        }
        let is_bare = rest.len() == path.len();
        let mut is_first = is_bare;
        while let Some((name, after)) = rest.split_first() {
            if name == "super" && !is_bare {
                at.pop()?;
            } else {
                let mut below = at.clone();
                below.push(name.clone());
                if self.0.contains_key(&below) {
                    at = below;
                } else {
                    let import = self.0.get(&at).and_then(|module| module.imports.get(name));
                    let target = import
                        .filter(|import| depth > 0 && import.as_slice() != path)
                        .and_then(|import| self.resolve(&at, import, depth - 1));
                    match target {
                        Some(target) => at = target,
                        None if is_first => return None,
                        // An item of this module.
                        None => return Some(at),
                    }
                }
            }
            is_first = false;
            rest = after;
        }
        Some(at)
    }

    /// Circles among modules side by side: their names, and one way round with a path that leads each step.
    fn circles(&self) -> BTreeMap<String, String> {
        let mut steps: BTreeMap<Place, BTreeMap<Place, String>> = BTreeMap::new();
        for (from, module) in &self.0 {
            for path in &module.paths {
                let Some(to) = self.resolve(from, path, 8) else {
                    continue;
                };
                let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if same < from.len() && same < to.len() {
                    let why = format!("{} says {}", from.join("::"), path.join("::"));
                    steps
                        .entry(from[..=same].to_vec())
                        .or_default()
                        .insert(to[..=same].to_vec(), why);
                }
            }
        }
        let mut circles = BTreeMap::new();
        for start in steps.keys() {
            let there = reached(&steps, start);
            let ring = there
                .iter()
                .filter(|room| reached(&steps, room).contains(start))
                .map(|room| room.join("::"));
            let names: Vec<String> = ring.collect();
            if there.contains(start) {
                circles
                    .entry(names.join(", "))
                    .or_insert_with(|| way_round(&steps, start));
            }
        }
        circles
    }
}

type Steps = BTreeMap<Place, BTreeMap<Place, String>>;

/// All that can be reached in one step or more.
fn reached(steps: &Steps, start: &Place) -> BTreeSet<Place> {
    let mut there = BTreeSet::new();
    let mut next = vec![start];
    while let Some(room) = next.pop() {
        for to in steps.get(room).into_iter().flat_map(BTreeMap::keys) {
            if there.insert(to.clone()) {
                next.push(to);
            }
        }
    }
    there
}

/// The shortest way from a room back to it, in words.
fn way_round(steps: &Steps, start: &Place) -> String {
    let mut ways = std::collections::VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for to in steps
            .get(&way[way.len() - 1])
            .into_iter()
            .flat_map(BTreeMap::keys)
        {
            let mut longer = way.clone();
            longer.push(to.clone());
            if to == start {
                let names: Vec<String> = longer.iter().map(|room| room.join("::")).collect();
                let why = longer.windows(2).map(|step| &steps[&step[0]][&step[1]]);
                let why: Vec<String> = why.map(|why| format!("    {why}")).collect();
                return format!("  {}\n{}", names.join(" → "), why.join("\n"));
            }
            if seen.insert(to.clone()) {
                ways.push_back(longer);
            }
        }
    }
    String::new()
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        list.is_ok_and(|list| list.path.is_ident("cfg") && list.tokens.to_string() == "test")
    })
}

impl Module {
    fn add_use(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_use(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().cloned().unwrap_or_default();
                self.paths.insert(before.clone());
                self.imports.insert(last, before.clone());
            }
            syn::UseTree::Name(name) => self.import(&name.ident, &name.ident, before),
            syn::UseTree::Rename(name) => self.import(&name.ident, &name.rename, before),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, before);
                }
            }
            syn::UseTree::Glob(_) => drop(self.paths.insert(before.clone())),
        }
    }

    fn import(&mut self, name: &syn::Ident, here: &syn::Ident, before: &[String]) {
        let mut path = before.to_vec();
        path.push(name.to_string());
        self.paths.insert(path.clone());
        self.imports.insert(here.to_string(), path);
    }

    /// Paths among the words that a macro is given.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_of_path(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => colons += 1,
                other => {
                    self.end_of_path(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.add_tokens(group.stream());
                    }
                }
            }
        }
        self.end_of_path(&mut path);
    }

    fn end_of_path(&mut self, path: &mut Vec<String>) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.paths.insert(path);
        }
    }
}

impl<'a> Visit<'a> for Module {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.add_use(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        let names: Vec<String> = names.collect();
        if names.len() > 1 {
            self.paths.insert(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, given: &'a syn::Macro) {
        self.add_tokens(given.tokens.clone());
        visit::visit_macro(self, given);
    }
}
