//! Encrypted volumes: which are made, which are kept, and how they are opened.
//!
//! From its first write until its key is where the node finds it, a volume carries a mark
//! ([`crate::facts::disks::BEING_MADE`]). One that still has it after a power cut is made again.

use serde_json::{Map, Value, json};

use crate::diag::{Diagnostic, Report};
use crate::facts::disks::{Block, Detail, LuksHeader, Signature, Superblock};
use crate::facts::{Facts, Usage};
use crate::model::{Clevis, Config, Luks, Pin, SysPath};
use crate::op::{DiskOp, TreeOp, VolumeOp, volume_node};
use crate::plan::devices::find;
use crate::plan::filesystems::content;
use crate::plan::{Plan, Planned};
use crate::redact;

/// Plans all volumes of a config.
pub fn plan(config: &Config, facts: &Facts) -> Planned {
    let mut plan = Plan::default();
    let mut report = Report::default();
    for luks in &config.luks {
        let planned = find(luks.device.as_str(), luks.at, facts).and_then(|(node, block)| {
            Work {
                luks,
                node,
                block,
                facts,
            }
            .plan(&mut plan)
        });
        if let Err(diagnostic) = planned {
            report.push(diagnostic);
        }
    }
    if report.has_errors() {
        Err(report)
    } else {
        Ok(plan)
    }
}

/// Plans what comes last, when the first boot will not be repeated: the marks are taken away from the
/// observed volumes, and with them the list that the root keeps of them.
pub fn finish(facts: &Facts) -> Plan {
    let mut plan = Plan::default();
    for (node, block) in &facts.disks.blocks {
        if let Some((found, header)) = header_of(block)
            && header.being_made
        {
            let op = VolumeOp::FinishVolume {
                device: node.clone(),
                label: found.label.clone(),
            };
            plan.push(
                op,
                "the first boot is done: the node finds its key in the root",
                None,
            );
        }
    }
    let list = SysPath::parse(UNFINISHED).ok();
    if let Some(path) = list.filter(|path| facts.texts.contains_key(path)) {
        let destroys = "the list of unfinished volumes";
        plan.push(TreeOp::Remove { path, destroys }, "they are finished", None);
    }
    plan
}

/// Where the root remembers which volumes still carry the mark of being made, by UUID and line.
pub const UNFINISHED: &str = "/etc/.pilotlight-unfinished-volumes";

/// Stands in predictions for a random UUID; it is never written.
pub const NO_UUID: &str = "00000000-0000-0000-0000-000000000000";

/// UUIDs of the config's volumes that a repeated first boot would make again.
pub fn unfinished(config: &Config, facts: &Facts) -> Vec<String> {
    let volumes = config.luks.iter().filter_map(|luks| {
        let node = facts.disks.resolve(luks.device.as_str())?;
        let (found, header) = header_of(facts.disks.blocks.get(&node)?)?;
        // A prediction does not know a random UUID.
        let uuid = || found.uuid.clone().unwrap_or_else(|| NO_UUID.into());
        header.being_made.then(uuid)
    });
    volumes.collect()
}

/// Whether the node itself opens the volume with a key in its root.
pub fn has_key_file(luks: &Luks) -> bool {
    luks.clevis.is_none() && !luks.cex
}

fn header_of(block: &Block) -> Option<(&Superblock, &LuksHeader)> {
    match &block.signature {
        Signature::Found(found) => match &found.detail {
            Detail::Luks(header) => Some((found, header)),
            _ => None,
        },
        _ => None,
    }
}

struct Work<'a> {
    luks: &'a Luks,
    node: String,
    block: &'a Block,
    facts: &'a Facts,
}

/// What becomes of the device.
enum Fate {
    /// It is open, and nothing is left to do.
    Keep,
    /// The volume is kept and opened, by clevis or by the key.
    Open { by_clevis: bool },
    /// The volume is made; the reason.
    Make(&'static str),
}

impl Work<'_> {
    fn plan(&self, plan: &mut Plan) -> Result<(), Diagnostic> {
        let luks = self.luks;
        if luks.cex {
            let what = "cannot be bound to an IBM CEX card: this version has no support for that";
            return Err(self.error(what.into()).help("use a keyFile or clevis"));
        }
        match self.fate()? {
            Fate::Keep => Ok(()),
            Fate::Open { by_clevis } => {
                self.unused(None)?;
                let why = "it is what the config asks for: its data are kept";
                plan.push(self.open(by_clevis), why, luks.at);
                Ok(())
            }
            Fate::Make(why) => self.make(plan, why),
        }
    }

    fn error(&self, what: String) -> Diagnostic {
        Diagnostic::error(self.luks.at, format!("{} {what}", self.node))
    }

    /// The volume's own mapping, if it is open on this device.
    fn is_open(&self) -> bool {
        let name = &self.luks.name;
        self.facts.disks.blocks.contains_key(&volume_node(name))
            && self.block.used == Some(Usage::PartOf(volume_node(name)))
    }

    fn fate(&self) -> Result<Fate, Diagnostic> {
        let luks = self.luks;
        let Some((found, header)) = header_of(self.block) else {
            return match (content(self.block), luks.wipe_volume) {
                (None, _) => Ok(Fate::Make("the device is blank")),
                (Some(_), true) => Ok(Fate::Make("wipeVolume is set")),
                (Some(content), false) => Err(self.refused(&content)),
            };
        };
        if header.being_made {
            return Ok(
                match self.is_open() && self.facts.keys.contains_key(&luks.name) {
                    true => Fate::Keep,
                    false => Fate::Make("its making was interrupted, and nothing can open it"),
                },
            );
        }
        if luks.wipe_volume {
            return Ok(Fate::Make("wipeVolume is set"));
        }
        let content = content(self.block).unwrap_or_default();
        if header.version != 2 {
            return Err(self.refused(&format!("{content} of version {}", header.version)));
        }
        let label = luks
            .label
            .as_ref()
            .is_none_or(|label| *label == found.label);
        let uuid = luks
            .uuid
            .as_ref()
            .is_none_or(|uuid| found.uuid.as_deref() == Some(uuid.to_lowercase().as_str()));
        if !label || !uuid {
            return Err(self.refused(&content));
        }
        // A generated key is taken out of a volume that clevis unlocks.
        let by_clevis = luks.key_file.is_none() && header.clevis;
        if luks.clevis.is_some() != header.clevis {
            let bound = match header.clevis {
                true => "which clevis unlocks",
                false => "which clevis does not unlock",
            };
            return Err(self.refused(&format!("{content}, {bound}")));
        }
        if luks.key_file.is_none() && !by_clevis {
            return Err(self.refused(&format!("{content}, whose key the config does not give")));
        }
        Ok(match self.is_open() {
            true => Fate::Keep,
            false => Fate::Open { by_clevis },
        })
    }

    fn refused(&self, content: &str) -> Diagnostic {
        let mut asked = format!("the encrypted volume {:?}", self.luks.name);
        if let Some(label) = &self.luks.label {
            asked.push_str(&format!(" with the label {label:?}"));
        }
        if let Some(uuid) = &self.luks.uuid {
            asked.push_str(&format!(" (UUID {})", uuid.to_lowercase()));
        }
        let help = "set wipeVolume to true if it may be lost; a volume is kept if it is LUKS2, has the label \
             and UUID of the config, and the config gives its key or it is bound to clevis";
        self.error(format!("holds {content}, not {asked}"))
            .help(help)
    }

    /// `but` is by what is closed before.
    fn unused(&self, but: Option<&Usage>) -> Result<(), Diagnostic> {
        match self.block.used.as_ref().filter(|used| Some(*used) != but) {
            Some(used) => Err(self.error(format!(
                "cannot hold the encrypted volume {:?}: it is {used}",
                self.luks.name
            ))),
            None => Ok(()),
        }
    }

    fn make(&self, plan: &mut Plan, why: &'static str) -> Result<(), Diagnostic> {
        let luks = self.luks;
        let target = volume_node(&luks.name);
        let open = self.facts.disks.blocks.get(&target);
        if self.is_open() {
            if let Some(used) = open.and_then(|block| block.used.as_ref()) {
                return Err(self.error(format!("cannot be made anew: {target} is {used}")));
            }
            let op = VolumeOp::CloseVolume {
                name: luks.name.clone(),
                device: self.node.clone(),
            };
            plan.push(op, "it is made anew", luks.at);
        } else if open.is_some() {
            return Err(self.error(format!(
                "cannot be opened as {target}, which is open on another device"
            )));
        }
        self.unused(Some(&Usage::PartOf(target)))?;
        if let Some(destroys) = content(self.block) {
            let device = self.node.clone();
            plan.push(DiskOp::WipeSignatures { device, destroys }, why, luks.at);
        }
        let generated = luks.key_file.is_none();
        let op = VolumeOp::FormatVolume {
            name: luks.name.clone(),
            device: self.node.clone(),
            label: luks.label.clone(),
            uuid: luks.uuid.clone(),
            generated,
            options: luks.options.clone(),
        };
        let why = match self.block.signature {
            Signature::Unknown => {
                "the partition is new; if something old is found there, this is an error"
            }
            Signature::Blank => "the device is blank",
            Signature::Found(_) | Signature::Ambivalent(_) => "the config asks for a new one",
        };
        plan.push(op, why, luks.at);
        let Some(clevis) = &luks.clevis else {
            plan.push(self.open(false), "what lies on it comes next", luks.at);
            if !generated {
                self.finished(plan, "the config gives its key");
            }
            return Ok(());
        };
        let (pin, shown, config) = pin(clevis);
        let op = VolumeOp::BindVolume {
            name: luks.name.clone(),
            device: self.node.clone(),
            pin,
            shown,
            config,
        };
        plan.push(op, "the node opens it with clevis", luks.at);
        let by_clevis = can_be_tried(clevis);
        let why = match by_clevis {
            true => "this shows that clevis can open it",
            false => "its tang servers may be out of reach now",
        };
        plan.push(self.open(by_clevis), why, luks.at);
        // A volume that nothing here could open again keeps its mark until the first boot is done.
        let opened_again = by_clevis || !generated;
        if generated {
            let op = VolumeOp::RemoveKey {
                name: luks.name.clone(),
                device: self.node.clone(),
            };
            plan.push(op, "only clevis is to open it", luks.at);
        }
        if opened_again {
            self.finished(plan, "it can be opened without a generated key");
        }
        Ok(())
    }

    fn finished(&self, plan: &mut Plan, why: &'static str) {
        let op = VolumeOp::FinishVolume {
            device: self.node.clone(),
            label: self.luks.label.clone().unwrap_or_default(),
        };
        plan.push(op, why, self.luks.at);
    }

    fn open(&self, by_clevis: bool) -> VolumeOp {
        VolumeOp::OpenVolume {
            name: self.luks.name.clone(),
            device: self.node.clone(),
            by_clevis,
            discard: self.luks.discard,
            options: self.luks.open_options.clone(),
        }
    }
}

/// Whether enough pins can be asked now to unlock the volume. A server whose advertisement the config
/// gives need not be in reach yet.
fn can_be_tried(clevis: &Clevis) -> bool {
    if clevis.custom.is_some() {
        return true;
    }
    let reachable = clevis
        .tang
        .iter()
        .filter(|server| server.advertisement.is_none());
    let pins = reachable.count() + usize::from(clevis.tpm2);
    u32::try_from(pins).is_ok_and(|pins| pins >= clevis.threshold)
}

/// The pin, what it is in words, and its config (clevis-encrypt-sss(1), clevis-encrypt-tang(1)).
fn pin(clevis: &Clevis) -> (String, String, String) {
    if let Some(Pin { name, config, .. }) = &clevis.custom {
        return (name.clone(), format!("the pin {name}"), config.clone());
    }
    let tang: Vec<Value> = clevis
        .tang
        .iter()
        .map(|server| {
            let mut pin = Map::new();
            pin.insert("url".into(), json!(server.url));
            pin.insert("thp".into(), json!(server.thumbprint));
            // An advertisement is JSON; one that is none is left to clevis to refuse.
            if let Some(text) = &server.advertisement {
                let value = serde_json::from_slice(text.as_bytes()).unwrap_or_else(|_| json!(text));
                pin.insert("adv".into(), value);
            }
            Value::Object(pin)
        })
        .collect();
    let mut words: Vec<String> = clevis
        .tang
        .iter()
        .map(|server| format!("the tang server {}", redact::url(&server.url)))
        .collect();
    let mut pins = Map::new();
    if !tang.is_empty() {
        pins.insert("tang".into(), Value::Array(tang));
    }
    if clevis.tpm2 {
        pins.insert("tpm2".into(), json!({}));
        words.push("the TPM".into());
    }
    let shown = match (words.len(), clevis.threshold) {
        (1, _) => words.concat(),
        (n, threshold) => format!("{threshold} of {n} pins ({})", words.join(", ")),
    };
    let config = json!({ "pins": pins, "t": clevis.threshold }).to_string();
    ("sss".into(), shown, config)
}

#[cfg(test)]
#[path = "luks_tests.rs"]
mod tests;
