//! A network as a person looks at it: interfaces with their addresses, rules in their order, and the tables that
//! they lead to, with what becomes of each thing.
//!
//! A picture is data, made from what is there and what is to be done. Long lists are shortened: what changes is
//! shown first, then what is the daemon's own.

mod svg;
mod words;

use std::collections::{BTreeMap, BTreeSet};

pub use svg::svg;

use super::actual::{Actual, Link, Owner, PROTOCOL_KERNEL, Route, table};
use super::difference::Difference;

/// Most boxes of each kind.
const INTERFACES: usize = 12;
const GROUPS: usize = 24;
const TABLES: usize = 16;
/// Most lines of a box of each kind, and of what is not done.
const ADDRESSES: usize = 8;
const RULES: usize = 6;
const ROUTES: usize = 10;
const NOT_DONE: usize = 12;

/// A network and what becomes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// Interfaces in the order of their indexes.
    pub interfaces: Vec<Interface>,
    /// How many interfaces are left out.
    pub more_interfaces: usize,
    /// Rules in the order in which they are asked.
    pub groups: Vec<Group>,
    /// How many groups of rules are left out.
    pub more_groups: usize,
    /// Tables: those that rules lead to first, in the order of the rules.
    pub tables: Vec<Table>,
    /// How many tables are left out.
    pub more_tables: usize,
    /// What is wanted and is not done.
    pub not_done: List,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address, kind, and state in words.
    pub about: String,
    /// Its addresses.
    pub addresses: List,
}

/// Rules of one priority that lead to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The priority.
    pub priority: u32,
    /// The table; `None` where they do something else.
    pub table: Option<u32>,
    /// The rules.
    pub rules: List,
}

/// A table of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its number.
    pub number: u32,
    /// Its routes.
    pub routes: List,
    /// How many routes of the kernel's own, which come and go with addresses, are not among them.
    pub of_kernel: usize,
}

/// What becomes of a thing, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// The daemon's own, and it goes.
    Removed,
    /// It is wanted, and is not there yet.
    Missing,
    /// The daemon's own.
    Ours,
    /// Another hand's.
    Foreign,
}

impl Mark {
    const ALL: [Mark; 4] = [Mark::Foreign, Mark::Ours, Mark::Missing, Mark::Removed];

    fn words(self) -> &'static str {
        match self {
            Mark::Removed => "to be removed",
            Mark::Missing => "to be added",
            Mark::Ours => "added by pilotlight",
            Mark::Foreign => "of others",
        }
    }
}

/// Lines, the most important ones of more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Those that are shown, in their own order.
    pub lines: Vec<(Mark, String)>,
    /// How many there are besides.
    pub more: BTreeMap<Mark, usize>,
}

impl List {
    fn of(all: Vec<(Mark, String)>, most: usize) -> Self {
        // The line that says so would take as much room as the one that it stands for.
        if all.len() <= most + 1 {
            return Self {
                lines: all,
                more: BTreeMap::new(),
            };
        }
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|index| all.get(*index).map(|(mark, _)| *mark));
        let shown: BTreeSet<usize> = order.into_iter().take(most).collect();
        let mut list = Self::default();
        for (index, (mark, text)) in all.into_iter().enumerate() {
            if shown.contains(&index) {
                list.lines.push((mark, text));
            } else {
                *list.more.entry(mark).or_default() += 1;
            }
        }
        list
    }

    /// What says that there are more; `None` where there are not.
    fn rest(&self) -> Option<String> {
        let count: usize = self.more.values().sum();
        let each = self.more.iter();
        let each: Vec<String> = each
            .map(|(mark, count)| format!("{count} {}", mark.words()))
            .collect();
        (count > 0).then(|| format!("and {count} more: {}", each.join(", ")))
    }

    /// The mark that says most of it.
    fn mark(&self) -> Mark {
        let marks = self.lines.iter().map(|(mark, _)| *mark);
        marks.min().unwrap_or(Mark::Foreign)
    }

    /// The mark of all lines, where it is one.
    fn only_mark(&self) -> Option<Mark> {
        let mut marks = self.lines.iter().map(|(mark, _)| *mark);
        let first = marks.next()?;
        marks.all(|mark| mark == first).then_some(first)
    }
}

/// Makes the picture of a network that is to be changed.
pub fn picture(actual: &Actual, difference: &Difference, owner: &Owner) -> Picture {
    let mut after = actual.clone();
    for op in &difference.ops {
        op.predict(&mut after);
    }
    let both = Both {
        before: actual,
        after: &after,
        owner,
    };
    let (groups, more_groups) = first_of(both.groups(), GROUPS, |group| group.rules.mark());
    let (interfaces, more_interfaces) = both.interfaces();
    let (tables, more_tables) = both.tables(&groups);
    let not_done = difference.unmet.iter().map(|unmet| {
        let text = format!("{}: {}", unmet.what, unmet.why);
        (Mark::Missing, text)
    });
    Picture {
        interfaces,
        more_interfaces,
        groups,
        more_groups,
        tables,
        more_tables,
        not_done: List::of(not_done.collect(), NOT_DONE),
    }
}

/// The first so many by importance, in their own order, and how many are left.
fn first_of<T, K: Ord>(all: Vec<T>, most: usize, key: impl Fn(&T) -> K) -> (Vec<T>, usize) {
    let left = all.len().saturating_sub(most);
    let mut order: Vec<(usize, T)> = all.into_iter().enumerate().collect();
    order.sort_by_key(|(_, one)| key(one));
    order.truncate(most);
    order.sort_by_key(|(index, _)| *index);
    (order.into_iter().map(|(_, one)| one).collect(), left)
}

/// The network as it is and as it will be.
struct Both<'b> {
    before: &'b Actual,
    after: &'b Actual,
    owner: &'b Owner,
}

impl Both<'_> {
    /// Everything of the two, each once, in its order.
    fn marked<'s, T: Ord>(
        &self,
        before: &'s BTreeSet<T>,
        after: &'s BTreeSet<T>,
        owns: impl Fn(&Owner, &T) -> bool,
    ) -> Vec<(Mark, &'s T)> {
        let all = before.union(after).map(|one| {
            let mark = match (before.contains(one), after.contains(one)) {
                (false, _) => Mark::Missing,
                (_, false) => Mark::Removed,
                _ if owns(self.owner, one) => Mark::Ours,
                _ => Mark::Foreign,
            };
            (mark, one)
        });
        all.collect()
    }

    fn interfaces(&self) -> (Vec<Interface>, usize) {
        let addresses = self.marked(
            &self.before.addresses,
            &self.after.addresses,
            Owner::owns_address,
        );
        let mut of_link: BTreeMap<u32, Vec<(Mark, String)>> = BTreeMap::new();
        for (index, link) in &self.before.links {
            let later = self
                .after
                .links
                .get(index)
                .map_or(link.mtu, |link| link.mtu);
            if later != link.mtu {
                let line = (Mark::Missing, format!("MTU {later}"));
                of_link.entry(*index).or_default().push(line);
            }
        }
        for (mark, address) in addresses {
            let line = (mark, address.address.to_string());
            of_link.entry(address.link).or_default().push(line);
        }
        let all = self.before.links.iter().map(|(index, link)| {
            let interface = Interface {
                name: link.name.clone(),
                about: words::about(link, self.before),
                addresses: List::of(of_link.remove(index).unwrap_or_default(), ADDRESSES),
            };
            (link, interface)
        });
        // The daemon's, then hardware, then what has addresses: of containers there may be hundreds.
        let rank = |(link, interface): &(&Link, Interface)| {
            let list = &interface.addresses;
            let is_virtual = link.kind.is_some() || link.loopback;
            (list.mark(), is_virtual, list.lines.is_empty())
        };
        let (shown, left) = first_of(all.collect(), INTERFACES, rank);
        (shown.into_iter().map(|(_, one)| one).collect(), left)
    }

    fn groups(&self) -> Vec<Group> {
        let rules = self.marked(&self.before.rules, &self.after.rules, Owner::owns_rule);
        let mut groups: BTreeMap<_, Vec<(Mark, String)>> = BTreeMap::new();
        for (mark, rule) in rules {
            let group = groups.entry((rule.priority, rule.table)).or_default();
            group.push((mark, words::rule(rule)));
        }
        let groups = groups.into_iter();
        groups
            .map(|((priority, table), rules)| Group {
                priority,
                table,
                rules: List::of(rules, RULES),
            })
            .collect()
    }

    fn tables(&self, groups: &[Group]) -> (Vec<Table>, usize) {
        // What the kernel adds for an address that comes is not the daemon's work.
        let later = |route: &&Route| {
            route.protocol != PROTOCOL_KERNEL || self.before.routes.contains(*route)
        };
        let after: BTreeSet<Route> = self.after.routes.iter().filter(later).cloned().collect();
        let mut tables: BTreeMap<u32, Table> = BTreeMap::new();
        let mut routes: BTreeMap<u32, Vec<(Mark, String)>> = BTreeMap::new();
        for (mark, route) in self.marked(&self.before.routes, &after, Owner::owns_route) {
            let number = route.table;
            let table = tables.entry(number).or_insert(Table {
                number,
                routes: List::default(),
                of_kernel: 0,
            });
            if route.protocol == PROTOCOL_KERNEL && route.table == table::LOCAL {
                table.of_kernel += 1;
                continue;
            }
            let mark = match route.protocol {
                PROTOCOL_KERNEL => Mark::Foreign,
                _ => mark,
            };
            let line = (mark, words::route(route, mark, self.before));
            routes.entry(number).or_default().push(line);
        }
        for (number, routes) in routes {
            if let Some(table) = tables.get_mut(&number) {
                table.routes = List::of(routes, ROUTES);
            }
        }
        let mut ordered: Vec<Table> = Vec::new();
        let asked = groups.iter().filter_map(|group| group.table);
        for number in asked {
            ordered.extend(tables.remove(&number));
        }
        ordered.extend(tables.into_values());
        let is_asked = |table: &Table| groups.iter().any(|group| group.table == Some(table.number));
        first_of(ordered, TABLES, |table| {
            (table.routes.mark(), !is_asked(table))
        })
    }
}

#[cfg(test)]
#[path = "../picture_tests.rs"]
mod tests;
