//! Planning: pure functions from config and facts to an ordered list of operations with reasons.

pub mod accounts;
mod contradictions;
pub mod crypttab;
mod devices;
pub mod disks;
pub mod enabling;
pub mod filesystems;
pub mod fresh;
pub mod kargs;
pub mod luks;
mod mounted;
pub mod mounts;
pub mod part;
mod partitions;
pub mod placement;
pub mod platform;
pub mod raid;
pub mod rehearse;
pub mod result;
pub mod runs;
pub mod selinux;
pub mod ssh_keys;
pub mod tree;
pub mod units;
pub mod want;

pub use part::{PARTS, Part, Stage, Surroundings};
pub use runs::{Kind, Run};
pub use want::{Blob, Blobs, Want};

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;

use crate::diag::{Report, Sources, Span, on_one_line};
use crate::facts::Facts;
use crate::op::Op;

/// An operation, why it is done and which line of the config asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The operation.
    pub op: Op,
    /// The reason, in words that follow "because".
    pub why: Cow<'static, str>,
    /// Which entry of the config asks for it.
    pub at: Option<Span>,
}

/// What will be done, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// What a person should know besides: warnings and hints.
    pub notes: Report,
}

impl Plan {
    /// Adds a step.
    pub fn push(&mut self, op: impl Into<Op>, why: impl Into<Cow<'static, str>>, at: Option<Span>) {
        self.steps.push(Step {
            op: op.into(),
            why: why.into(),
            at,
        });
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The facts after the whole plan, if each step finds what it needs on the facts that the ones before it
    /// make; else the step that does not, and why. A plan with such a step is at fault, whatever the config says.
    pub fn lint(&self, mut facts: Facts) -> Result<Facts, (&Step, String)> {
        for step in &self.steps {
            step.op.precondition(&facts).map_err(|why| (step, why))?;
            step.op.predict(&mut facts);
        }
        Ok(facts)
    }

    /// The facts after the whole plan.
    pub fn predict(&self, mut facts: Facts) -> Facts {
        for step in &self.steps {
            step.op.predict(&mut facts);
        }
        facts
    }
}

/// A plan, or all the reasons why there can be none.
pub type Planned = Result<Plan, Report>;

#[derive(Serialize)]
struct StepJson<'a> {
    #[serde(flatten)]
    op: &'a Op,
    destructive: bool,
    line: String,
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl Step {
    /// The line that a dry run prints and the real run logs.
    pub fn line(&self) -> String {
        let mark = if self.op.is_destructive() { "!" } else { " " };
        format!("{mark} {}", self.op)
    }

    /// Where the entry stands that asks for it: `user.ign:12:7`.
    pub fn place(&self, sources: &Sources) -> Option<String> {
        let place = sources.place(self.at?);
        Some(format!("{}:{}:{}", place.file, place.line, place.column))
    }

    /// The step for machines.
    pub fn json(&self, sources: &Sources) -> serde_json::Value {
        let step = StepJson {
            op: &self.op,
            destructive: self.op.is_destructive(),
            line: self.op.to_string(),
            why: &self.why,
            at: self.place(sources),
        };
        // Operations hold strings and numbers only; all keys are strings.
        serde_json::to_value(step).unwrap_or(serde_json::Value::Null)
    }
}

impl Plan {
    /// The plan as a person reads it.
    pub fn render(&self, sources: &Sources) -> String {
        let mut out = String::new();
        for step in &self.steps {
            let at = step
                .place(sources)
                .map(|at| format!("  [{at}]"))
                .unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "{}\n      because {}{at}",
                step.line(),
                on_one_line(&step.why)
            );
        }
        out
    }
}

macro_rules! into_op {
    ($($variant:ident: $name:ident),*) => {$(
        impl From<crate::op::$name> for Op {
            fn from(op: crate::op::$name) -> Op {
                Op::$variant(op)
            }
        }
    )*};
}
into_op!(Boot: BootOp, Disk: DiskOp, Volume: VolumeOp, Mount: MountOp, Account: AccountOp, Tree: TreeOp, Relabel: RelabelOp);
