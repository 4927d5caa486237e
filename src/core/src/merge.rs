//! Ignition's merge of whole configs: what single types cannot know (config/merge/merge.go).
//!
//! Files, directories and links share one key space, and so do the two lists of kernel arguments: what
//! the child puts into one list leaves the parent's other lists.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use crate::ordered::Gather as _;
use crate::spec::v3::Config;
use crate::spec::{At, Wire};

/// Merges a child into its parent. The child's word counts where it says something.
pub fn configs(mut parent: Config, child: Config) -> Config {
    let files = paths(&child.storage.files);
    let directories = paths(&child.storage.directories);
    let links = paths(&child.storage.links);
    remove(&mut parent.storage.files, &[&directories, &links]);
    remove(&mut parent.storage.directories, &[&files, &links]);
    remove(&mut parent.storage.links, &[&files, &directories]);

    let exist = values(&child.kernel_arguments.should_exist);
    let not_exist = values(&child.kernel_arguments.should_not_exist);
    let arguments = &mut parent.kernel_arguments;
    arguments
        .should_exist
        .retain(|at| !not_exist.contains(&at.value));
    arguments
        .should_not_exist
        .retain(|at| !exist.contains(&at.value));

    parent.merge(child);
    parent
}

/// Appends a config as version 2 does: lists follow one another and later entries count. A later file
/// takes the place of an earlier one whole, one that is only appended to adds to it; of other entries
/// with one key the later one's fields count.
pub fn appended(parent: Config, child: Config) -> Config {
    let mut files = parent.storage.files.clone();
    files.extend(child.storage.files.iter().cloned());
    let mut merged = unique(parent);
    merged.merge(unique(child));
    merged.storage.files = joined(files, |earlier, later| {
        let adds = later.contents.source.is_none() && !later.append.0.is_empty();
        match adds {
            true => earlier.append.merge(later.append),
            false => *earlier = later,
        }
    });
    merged
}

/// A config of which every list holds each key once.
fn unique(mut config: Config) -> Config {
    fn once<T: Wire>(list: &mut Vec<T>) {
        *list = joined(std::mem::take(list), T::merge);
    }
    once(&mut config.passwd.groups);
    once(&mut config.passwd.users);
    once(&mut config.storage.directories);
    once(&mut config.storage.disks);
    once(&mut config.storage.links);
    once(&mut config.storage.raid);
    once(&mut config.systemd.units);
    for unit in &mut config.systemd.units {
        once(&mut unit.dropins);
    }
    config
}

/// Joins the entries of equal key in the place of the first.
fn joined<T: Wire>(list: Vec<T>, join: impl Fn(&mut T, T)) -> Vec<T> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<T> = Vec::new();
    for item in list {
        let place = item.key().and_then(|key| match places.entry(key) {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(entry) => {
                entry.insert(kept.len());
                None
            }
        });
        match place.and_then(|place| kept.get_mut(place)) {
            Some(earlier) => join(earlier, item),
            None => kept.push(item),
        }
    }
    kept
}

fn paths<T: Wire>(list: &[T]) -> BTreeSet<String> {
    list.iter().filter_map(Wire::key).gather()
}

fn values(list: &[At<String>]) -> BTreeSet<String> {
    list.iter().map(|at| at.value.clone()).gather()
}

fn remove<T: Wire>(list: &mut Vec<T>, others: &[&BTreeSet<String>]) {
    list.retain(|item| {
        item.key()
            .is_none_or(|key| !others.iter().any(|other| other.contains(&key)))
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diag::{Report, SourceId};
    use crate::spec::v3::DIALECT;
    use crate::spec::{self, Decoder};

    fn config(json: &Value) -> Config {
        let node = crate::json::parse(SourceId(0), &json.to_string()).unwrap();
        let mut report = Report::default();
        let decoded = Config::decode(
            &node,
            &mut Decoder {
                dialect: &DIALECT,
                minor: 6,
                report: &mut report,
            },
        );
        assert_eq!(report, Report::default());
        decoded.unwrap()
    }

    fn merged(parent: Value, child: Value) -> Value {
        let merged = configs(config(&parent), config(&child));
        spec::tree(&merged).unwrap_or(json!({}))
    }

    #[test]
    fn equal_keys_merge_in_the_parents_position_and_new_ones_follow() {
        assert_eq!(
            merged(
                json!({"passwd": {"users": [{"name": "a", "uid": 1, "gecos": "x"}, {"name": "b"}]}}),
                json!({"passwd": {"users": [{"name": "c"}, {"name": "a", "uid": 2}]}}),
            ),
            json!({"passwd": {"users": [{"name": "a", "uid": 2, "gecos": "x"}, {"name": "b"}, {"name": "c"}]}})
        );
    }

    #[test]
    fn files_directories_and_links_share_their_paths() {
        assert_eq!(
            merged(
                json!({"storage": {"files": [{"path": "/a"}, {"path": "/b"}], "links": [{"path": "/c", "target": "/x"}]}}),
                json!({"storage": {"directories": [{"path": "/a"}, {"path": "/c"}]}}),
            ),
            json!({"storage": {"files": [{"path": "/b"}], "directories": [{"path": "/a"}, {"path": "/c"}]}})
        );
    }

    #[test]
    fn kernel_arguments_move_to_the_childs_list() {
        assert_eq!(
            merged(
                json!({"kernelArguments": {"shouldExist": ["a", "b"]}}),
                json!({"kernelArguments": {"shouldNotExist": ["a"]}}),
            ),
            json!({"kernelArguments": {"shouldExist": ["b"], "shouldNotExist": ["a"]}})
        );
    }

    #[test]
    fn contents_merge_field_by_field_and_appends_are_concatenated() {
        assert_eq!(
            merged(
                json!({"storage": {"files": [{"path": "/a", "append": [{"source": "data:,1"}],
                    "contents": {"source": "http://a/", "compression": "gzip", "verification": {"hash": "sha512-x"}}}]}}),
                json!({"storage": {"files": [{"path": "/a", "append": [{"source": "data:,1"}], "contents": {"source": "http://b/"}}]}}),
            ),
            json!({"storage": {"files": [{"path": "/a", "append": [{"source": "data:,1"}, {"source": "data:,1"}],
                "contents": {"source": "http://b/", "compression": "gzip", "verification": {"hash": "sha512-x"}}}]}})
        );
    }

    #[test]
    fn a_header_without_value_removes_the_parents() {
        let file = |headers: Value| json!({"storage": {"files": [{"path": "/a", "contents": {"source": "http://a/", "httpHeaders": headers}}]}});
        assert_eq!(
            merged(
                file(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])),
                file(json!([{"name": "A"}, {"name": "B", "value": "3"}])),
            ),
            file(json!([{"name": "B", "value": "3"}]))
        );
    }

    #[test]
    fn an_empty_config_changes_nothing_on_either_side() {
        let some = json!({"ignition": {"version": "3.4.0", "timeouts": {"httpTotal": 3}},
            "storage": {"disks": [{"device": "/dev/a", "wipeTable": true, "partitions": [{"number": 1, "label": "x"}]}]}});
        assert_eq!(merged(some.clone(), json!({})), some);
        assert_eq!(merged(json!({}), some.clone()), some);
    }

    #[test]
    fn partitions_are_keyed_by_number_or_by_label() {
        let disk = |partitions: Value| json!({"storage": {"disks": [{"device": "/dev/a", "partitions": partitions}]}});
        assert_eq!(
            merged(
                disk(
                    json!([{"number": 1, "label": "x"}, {"number": 0, "label": "y", "sizeMiB": 1}])
                ),
                disk(json!([{"number": 1, "label": "z"}, {"label": "y", "sizeMiB": 2}])),
            ),
            disk(json!([{"number": 1, "label": "z"}, {"number": 0, "label": "y", "sizeMiB": 2}]))
        );
    }
}
