//! Which steps of a plan are performed in one go.
//!
//! A plan has a step for every change, since each has a reason and a line of the config of its own. Performing them
//! one by one would write a partition table once for every partition, and everyone who watches the disk would read
//! it again each time. Passwords of accounts are set by one process for all of them.

use crate::op::{AccountOp, DiskOp, Op};
use crate::plan::{Plan, Step};

/// How the steps of a run are performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Edits of partition tables: each disk's are written at once.
    Tables,
    /// Devices that are wiped and formatted side by side, each one's steps in their order.
    Filesystems,
    /// Passwords of users and groups, all at once.
    Passwords,
    /// One step, by itself.
    Single,
}

/// Steps that follow one another and are performed in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'p> {
    /// How.
    pub kind: Kind,
    /// The steps, in the order of the plan.
    pub steps: &'p [Step],
}

impl<'p> Run<'p> {
    /// The steps of each device, in their order; the devices in the order of their first steps. What is done to
    /// one device does not depend on what is done to another within a run.
    pub fn by_device(&self) -> Vec<(&'p str, Vec<(&'p Step, &'p DiskOp)>)> {
        let mut chains: Vec<(&str, Vec<(&Step, &DiskOp)>)> = Vec::new();
        for step in self.steps {
            let Op::Disk(op) = &step.op else { continue };
            match chains.iter_mut().find(|(known, _)| known == op.device()) {
                Some((_, chain)) => chain.push((step, op)),
                None => chains.push((op.device(), vec![(step, op)])),
            }
        }
        chains
    }
}

impl Plan {
    /// The plan in runs, which together are its steps in their order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        let same = |a: &Step, b: &Step| kind(a) == kind(b) && kind(a) != Kind::Single;
        self.steps.chunk_by(same).map(|steps| Run {
            // A chunk is never empty.
            kind: steps.first().map_or(Kind::Single, kind),
            steps,
        })
    }
}

fn kind(step: &Step) -> Kind {
    match &step.op {
        Op::Disk(op) if op.edits_table() => Kind::Tables,
        Op::Disk(_) => Kind::Filesystems,
        Op::Account(AccountOp::SetPassword { .. }) => Kind::Passwords,
        _ => Kind::Single,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Format;
    use crate::op::{AccountKind, AccountName, PasswordHash, VolumeOp};

    /// "d1 sda" deletes, "c1 sda" creates, "t sda" makes a table, "w sda1" wipes, "f sda1" formats, "m x" is a volume,
    /// "p u" a password.
    fn op(words: &str) -> Op {
        let (what, device) = words.split_once(' ').unwrap();
        let disk = device.to_string();
        let number = what[1..].parse().unwrap_or(0);
        let op = match &what[..1] {
            "t" => DiskOp::CreateTable {
                disk,
                destroys: None,
            },
            "d" => DiskOp::DeletePartition {
                disk,
                number,
                label: String::new(),
            },
            "c" => DiskOp::ResizePartition {
                disk,
                number,
                from: 1,
                to: 2,
                sector: 512,
            },
            "w" => DiskOp::WipeSignatures {
                device: disk,
                destroys: String::new(),
            },
            "f" => DiskOp::MakeFilesystem {
                device: disk,
                format: Format::Ext4,
                label: None,
                uuid: None,
                options: Vec::new(),
            },
            "p" => {
                return Op::Account(AccountOp::SetPassword {
                    of: AccountKind::User,
                    name: AccountName::parse(device).unwrap(),
                    hash: PasswordHash::parse("*").unwrap(),
                });
            }
            _ => {
                return Op::Volume(VolumeOp::StopArray {
                    node: disk,
                    members: Vec::new(),
                });
            }
        };
        Op::Disk(op)
    }

    /// What a plan of these is performed as: kind, and the devices with how many steps each.
    fn runs(steps: &[&str]) -> String {
        let mut plan = Plan::default();
        for words in steps {
            plan.push(op(words), "", None);
        }
        let runs: Vec<String> = (plan.runs())
            .map(|run| {
                let devices: Vec<String> = (run.by_device().iter())
                    .map(|(device, chain)| format!("{device}*{}", chain.len()))
                    .collect();
                format!("{:?} {}", run.kind, devices.join(" "))
            })
            .collect();
        let all: Vec<&Step> = plan.runs().flat_map(|run| run.steps).collect();
        assert_eq!(all, plan.steps.iter().collect::<Vec<_>>());
        runs.join("; ")
    }

    #[test]
    fn neighbours_of_a_kind_are_one_run() {
        let table: &[(&[&str], &str)] = &[
            (&[], ""),
            (&["c1 a"], "Tables a*1"),
            (&["t a", "c1 a", "c2 a"], "Tables a*3"),
            // Each disk is written once, in whatever order its steps stand.
            (&["d1 a", "c1 b", "c2 a", "c2 b"], "Tables a*2 b*2"),
            (&["w a1", "f a1", "f a2"], "Filesystems a1*2 a2*1"),
            (
                &["c1 a", "f a1", "c1 b"],
                "Tables a*1; Filesystems a1*1; Tables b*1",
            ),
            (&["c1 a", "m x", "c2 a"], "Tables a*1; Single ; Tables a*1"),
            (&["m x", "m y"], "Single ; Single "),
            (
                &["m x", "p a", "p b", "m y"],
                "Single ; Passwords ; Single ",
            ),
        ];
        for (steps, expected) in table {
            assert_eq!(runs(steps), *expected, "{steps:?}");
        }
    }
}
