//! What becomes of a partition, for everything that a config may say of it.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::tests::{MIB, disk, entry, facts, partition};
use super::*;
use crate::op::Op;

/// In MiB; a tilde stands for a rest.
fn mib(sectors: u64) -> String {
    let rest = if sectors.is_multiple_of(MIB) { "" } else { "~" };
    format!("{}{rest}", sectors / MIB)
}

/// The outcome in a word: `keep`; `new 1 at 40+59` (slot, start and size in MiB); `again at …` when it is
/// deleted and made again; `to 15` when its size changes; `no (…)` with what the refusal is about.
fn outcome(asked: &Partition) -> String {
    let there = facts(&[(3, entry(10, 10, "a")), (5, entry(30, 10, "b"))]);
    let disks = [disk(vec![asked.clone()])];
    let plan = match crate::plan::disks::plan(&disks, &there) {
        Ok(plan) => plan,
        Err(report) => {
            let message = &report.items[0].message;
            let about = [
                ("label is", "label"),
                ("begins at", "start"),
                ("it has", "size"),
                ("belongs to another", "taken"),
                ("should not", "exists"),
                ("it needs", "room"),
            ];
            let about: Vec<&str> = (about.iter())
                .filter(|(words, _)| message.contains(words))
                .map(|(_, word)| *word)
                .collect();
            assert!(!about.is_empty(), "{message}");
            return format!("no ({})", about.join(", "));
        }
    };
    // Without a number and a label, it is another partition each time.
    if asked.number != 0 || asked.label.is_some() {
        let again = crate::plan::disks::plan(&disks, &plan.predict(there.clone()));
        assert_eq!(again.map(|plan| plan.steps), Ok(Vec::new()), "{asked:?}");
    }
    let ops: Vec<&DiskOp> = (plan.steps.iter())
        .map(|step| match &step.op {
            Op::Disk(op) => op,
            other => panic!("{other}"),
        })
        .collect();
    let at = |start: &u64, end: &u64| format!("{}+{}", mib(*start), mib(end - start + 1));
    match ops.as_slice() {
        [] => "keep".into(),
        [DiskOp::DeletePartition { number: 3, .. }] => "delete".into(),
        [DiskOp::ResizePartition { number: 3, to, .. }] => format!("to {}", mib(to + 1 - 10 * MIB)),
        [
            DiskOp::CreatePartition {
                number, start, end, ..
            },
        ] => {
            format!("new {number} at {}", at(start, end))
        }
        [
            DiskOp::DeletePartition { number: 3, .. },
            DiskOp::CreatePartition {
                number: 3,
                start,
                end,
                ..
            },
        ] => format!("again at {}", at(start, end)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_whole_matrix() {
    let mut out = String::from(
        "there: 3 \"a\" at 10+10, 5 \"b\" at 30+10\n\
         number label start size | neither                 resize                  wipePartitionEntry      both\n",
    );
    let settings = [(false, false), (false, true), (true, false), (true, true)];
    let mut line = |words: String, asked: &Partition| {
        let cells: Vec<String> = settings
            .iter()
            .map(|(wipe_partition_entry, resize)| {
                let asked = Partition {
                    wipe_partition_entry: *wipe_partition_entry,
                    resize: *resize,
                    own_sectors: false,
                    ..asked.clone()
                };
                format!("{:<24}", outcome(&asked))
            })
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{words:<23} | {}", cells.concat().trim_end());
    };
    let values = |given: [u64; 3]| {
        let given = given.map(Some);
        [None, given[0], given[1], given[2]]
    };
    let shown = |value: Option<u64>| value.map_or("-".to_string(), |value| value.to_string());
    for number in [3, 0] {
        for label in ["", "a", "c"] {
            for start_mib in values([0, 10, 50]) {
                for size_mib in values([0, 10, 15]) {
                    let asked = Partition {
                        start_mib,
                        size_mib,
                        ..partition(number, label)
                    };
                    let name = if label.is_empty() { "-" } else { label };
                    let (start, size) = (shown(start_mib), shown(size_mib));
                    line(format!("{number:<6} {name:<5} {start:<5} {size}"), &asked);
                }
            }
        }
    }
    for number in [3, 4] {
        let asked = Partition {
            should_exist: false,
            ..partition(number, "")
        };
        line(format!("{number:<6} shouldExist false"), &asked);
    }
    assert_snapshot!(out, @r#"
    there: 3 "a" at 10+10, 5 "b" at 30+10
    number label start size | neither                 resize                  wipePartitionEntry      both
    3      -     -     -    | keep                    keep                    keep                    keep
    3      -     -     0    | no (size)               to 20                   again at 40+59~         again at 40+59~
    3      -     -     10   | keep                    keep                    keep                    keep
    3      -     -     15   | no (size)               to 15                   again at 40+15          again at 40+15
    3      -     0     -    | no (start)              no (start)              again at 40+59~         again at 40+59~
    3      -     0     0    | no (start, size)        no (start, size)        again at 40+59~         again at 40+59~
    3      -     0     10   | no (start)              no (start)              again at 40+10          again at 40+10
    3      -     0     15   | no (size)               no (start, size)        again at 40+15          again at 40+15
    3      -     10    -    | keep                    keep                    keep                    keep
    3      -     10    0    | no (size)               to 20                   again at 10+20          again at 10+20
    3      -     10    10   | keep                    keep                    keep                    keep
    3      -     10    15   | no (size)               to 15                   again at 10+15          again at 10+15
    3      -     50    -    | no (start)              no (start)              again at 50+49~         again at 50+49~
    3      -     50    0    | no (start)              no (start)              again at 50+49~         again at 50+49~
    3      -     50    10   | no (start)              no (start)              again at 50+10          again at 50+10
    3      -     50    15   | no (start, size)        no (start, size)        again at 50+15          again at 50+15
    3      a     -     -    | keep                    keep                    keep                    keep
    3      a     -     0    | no (size)               to 20                   again at 40+59~         again at 40+59~
    3      a     -     10   | keep                    keep                    keep                    keep
    3      a     -     15   | no (size)               to 15                   again at 40+15          again at 40+15
    3      a     0     -    | no (start)              no (start)              again at 40+59~         again at 40+59~
    3      a     0     0    | no (start, size)        no (start, size)        again at 40+59~         again at 40+59~
    3      a     0     10   | no (start)              no (start)              again at 40+10          again at 40+10
    3      a     0     15   | no (size)               no (start, size)        again at 40+15          again at 40+15
    3      a     10    -    | keep                    keep                    keep                    keep
    3      a     10    0    | no (size)               to 20                   again at 10+20          again at 10+20
    3      a     10    10   | keep                    keep                    keep                    keep
    3      a     10    15   | no (size)               to 15                   again at 10+15          again at 10+15
    3      a     50    -    | no (start)              no (start)              again at 50+49~         again at 50+49~
    3      a     50    0    | no (start)              no (start)              again at 50+49~         again at 50+49~
    3      a     50    10   | no (start)              no (start)              again at 50+10          again at 50+10
    3      a     50    15   | no (start, size)        no (start, size)        again at 50+15          again at 50+15
    3      c     -     -    | no (label)              no (label)              again at 40+59~         again at 40+59~
    3      c     -     0    | no (label)              no (label)              again at 40+59~         again at 40+59~
    3      c     -     10   | no (label)              no (label)              again at 40+10          again at 40+10
    3      c     -     15   | no (label, size)        no (label, size)        again at 40+15          again at 40+15
    3      c     0     -    | no (label)              no (label)              again at 40+59~         again at 40+59~
    3      c     0     0    | no (label)              no (label)              again at 40+59~         again at 40+59~
    3      c     0     10   | no (label)              no (label)              again at 40+10          again at 40+10
    3      c     0     15   | no (label, size)        no (label, size)        again at 40+15          again at 40+15
    3      c     10    -    | no (label)              no (label)              again at 10+20          again at 10+20
    3      c     10    0    | no (label)              no (label)              again at 10+20          again at 10+20
    3      c     10    10   | no (label)              no (label)              again at 10+10          again at 10+10
    3      c     10    15   | no (label, size)        no (label, size)        again at 10+15          again at 10+15
    3      c     50    -    | no (label, start)       no (label, start)       again at 50+49~         again at 50+49~
    3      c     50    0    | no (label, start)       no (label, start)       again at 50+49~         again at 50+49~
    3      c     50    10   | no (label, start)       no (label, start)       again at 50+10          again at 50+10
    3      c     50    15   | no (label, start, size) no (label, start, size) again at 50+15          again at 50+15
    0      -     -     -    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      -     -     0    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      -     -     10   | new 1 at 40+10          new 1 at 40+10          new 1 at 40+10          new 1 at 40+10
    0      -     -     15   | new 1 at 40+15          new 1 at 40+15          new 1 at 40+15          new 1 at 40+15
    0      -     0     -    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      -     0     0    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      -     0     10   | new 1 at 40+10          new 1 at 40+10          new 1 at 40+10          new 1 at 40+10
    0      -     0     15   | new 1 at 40+15          new 1 at 40+15          new 1 at 40+15          new 1 at 40+15
    0      -     10    -    | no (taken)              no (taken)              no (taken)              no (taken)
    0      -     10    0    | no (taken)              no (taken)              no (taken)              no (taken)
    0      -     10    10   | no (taken)              no (taken)              no (taken)              no (taken)
    0      -     10    15   | no (taken)              no (taken)              no (taken)              no (taken)
    0      -     50    -    | new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~
    0      -     50    0    | new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~
    0      -     50    10   | new 1 at 50+10          new 1 at 50+10          new 1 at 50+10          new 1 at 50+10
    0      -     50    15   | new 1 at 50+15          new 1 at 50+15          new 1 at 50+15          new 1 at 50+15
    0      a     -     -    | keep                    keep                    keep                    keep
    0      a     -     0    | no (size)               to 20                   again at 40+59~         again at 40+59~
    0      a     -     10   | keep                    keep                    keep                    keep
    0      a     -     15   | no (size)               to 15                   again at 40+15          again at 40+15
    0      a     0     -    | no (start)              no (start)              again at 40+59~         again at 40+59~
    0      a     0     0    | no (start, size)        no (start, size)        again at 40+59~         again at 40+59~
    0      a     0     10   | no (start)              no (start)              again at 40+10          again at 40+10
    0      a     0     15   | no (size)               no (start, size)        again at 40+15          again at 40+15
    0      a     10    -    | keep                    keep                    keep                    keep
    0      a     10    0    | no (size)               to 20                   again at 10+20          again at 10+20
    0      a     10    10   | keep                    keep                    keep                    keep
    0      a     10    15   | no (size)               to 15                   again at 10+15          again at 10+15
    0      a     50    -    | no (start)              no (start)              again at 50+49~         again at 50+49~
    0      a     50    0    | no (start)              no (start)              again at 50+49~         again at 50+49~
    0      a     50    10   | no (start)              no (start)              again at 50+10          again at 50+10
    0      a     50    15   | no (start, size)        no (start, size)        again at 50+15          again at 50+15
    0      c     -     -    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      c     -     0    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      c     -     10   | new 1 at 40+10          new 1 at 40+10          new 1 at 40+10          new 1 at 40+10
    0      c     -     15   | new 1 at 40+15          new 1 at 40+15          new 1 at 40+15          new 1 at 40+15
    0      c     0     -    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      c     0     0    | new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~         new 1 at 40+59~
    0      c     0     10   | new 1 at 40+10          new 1 at 40+10          new 1 at 40+10          new 1 at 40+10
    0      c     0     15   | new 1 at 40+15          new 1 at 40+15          new 1 at 40+15          new 1 at 40+15
    0      c     10    -    | no (taken)              no (taken)              no (taken)              no (taken)
    0      c     10    0    | no (taken)              no (taken)              no (taken)              no (taken)
    0      c     10    10   | no (taken)              no (taken)              no (taken)              no (taken)
    0      c     10    15   | no (taken)              no (taken)              no (taken)              no (taken)
    0      c     50    -    | new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~
    0      c     50    0    | new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~         new 1 at 50+49~
    0      c     50    10   | new 1 at 50+10          new 1 at 50+10          new 1 at 50+10          new 1 at 50+10
    0      c     50    15   | new 1 at 50+15          new 1 at 50+15          new 1 at 50+15          new 1 at 50+15
    3      shouldExist false | no (exists)             no (exists)             delete                  delete
    4      shouldExist false | keep                    keep                    keep                    keep
    "#);
}
