//! A plan as it is shown before it is done.

use pilotlight_core::diag::Style;
use pilotlight_core::picture;

use crate::op::InstallOp;
use crate::plan::Plan;

/// A plan as it is shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The plan.
    pub plan: Plan,
    /// Where to.
    pub node: String,
    /// Who vouches for the image, as far as that is known before it is there.
    pub trust: String,
}

impl Shown {
    /// For people: lines that begin with `!` destroy data.
    pub fn text(&self, style: Style) -> String {
        let mut out = String::new();
        for op in &self.plan.ops {
            let mark = if op.is_destructive() { '!' } else { ' ' };
            out.push_str(&format!("{mark} {op}\n"));
        }
        let table = picture::table(&self.plan.picture, style);
        if !table.is_empty() {
            out.push_str("disks before and after\n");
            out.push_str(&table);
        }
        for note in &self.plan.notes {
            out.push_str(&format!("note: {note}\n"));
        }
        out
    }

    /// For machines.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "event": "plan",
            "disk": self.node,
            "trust": self.trust,
            "operations": self.plan.ops,
            "notes": self.plan.notes,
            "picture": self.plan.picture,
        })
    }

    /// Whether something is lost.
    pub fn destroys(&self) -> bool {
        self.plan.ops.iter().any(InstallOp::is_destructive)
    }
}
