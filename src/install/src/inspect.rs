//! What an image file holds: its table, its file systems, and the config that lies in it.

use std::path::Path;
use std::sync::Arc;

use pilotlight_core::diag::Style;
use pilotlight_core::facts::disks::{Disks, TableState};
use pilotlight_core::hex;
use pilotlight_core::model::SysPath;
use pilotlight_core::picture::{self, Picture};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::apply;
use crate::error::InstallError;
use crate::image::Packing;
use crate::op::Partition;
use crate::peek::peeked;
use crate::plan::{self, Image, Plan, Wanted};
use crate::source::{self, Network, Place};
use crate::survey;
use crate::target::{Kind, Target};
use crate::voice::Voice;

/// An image, looked at.
#[derive(Debug, Serialize)]
pub struct Inspected {
    /// Its place.
    pub image: String,
    /// Bytes, unpacked.
    pub size: u64,
    /// Whether it is packed: then only its table is known.
    pub packed: bool,
    /// Its partitions and what is in them.
    pub picture: Picture,
    /// What a first boot reads.
    pub files: Vec<Found>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

/// A file in an image.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Label of its partition.
    pub partition: String,
    /// Its path there.
    pub path: String,
    /// Bytes.
    pub size: usize,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// Files that a first boot reads, by the labels of partitions.
const FILES: &[(&str, &str)] = &[
    ("OEM", "/config.ign"),
    ("OEM", "/base/base.ign"),
    ("OEM", "/grub.cfg"),
    ("OEM", plan::RECORD),
    ("boot", "/ignition/config.ign"),
    ("boot", plan::RECORD),
];
/// Largest of them that is read, in bytes.
const LIMIT: u64 = 16 << 20;

impl Inspected {
    /// For people.
    pub fn text(&self, style: Style) -> String {
        let mut out = picture::table(&self.picture, style);
        for file in &self.files {
            let Found {
                partition,
                path,
                size,
                sha256,
            } = file;
            out.push_str(&format!(
                "{partition}:{path}, {size} bytes, sha256-{sha256}\n"
            ));
        }
        for note in &self.notes {
            out.push_str(&format!("note: {note}\n"));
        }
        out
    }
}

/// Looks at an image, packed or not.
pub fn inspect(path: &Path, voice: &Arc<dyn Voice>) -> Result<Inspected, InstallError> {
    let place = Place::File(path.into());
    let shown = place.shown();
    let reading = |cause| InstallError::Io {
        what: shown.clone(),
        cause,
    };
    let head = pilotlight_sys::read_beginning(path, crate::image::HEAD as u64)
        .and_then(|head| head.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
        .map_err(reading)?;
    let packed = Packing::of(&head).map_err(|why| InstallError::Image(why.into()))? != Packing::Raw;
    let opened = source::open(&place, &Network::default(), voice).map_err(reading)?;
    let (image, _) = peeked(&shown, opened.bytes)?;
    let mut notes = Vec::new();
    let mut files = Vec::new();
    let disks = match packed {
        true => {
            notes.push("it is packed: what its partitions hold is not looked at".into());
            of_table(&shown, &image)
        }
        false => {
            let target = survey::target(path)?;
            look(&target, &mut files, &mut notes);
            target.disks
        }
    };
    Ok(Inspected {
        size: image.size,
        packed,
        picture: Picture::new(&disks, std::iter::empty(), &disks),
        image: shown,
        files,
        notes,
    })
}

/// A disk of which only the table is known.
fn of_table(node: &str, image: &Image) -> Disks {
    use pilotlight_core::facts::disks::{Block, Signature, partition_node};
    let block = |size, table, signature| Block {
        size,
        sector: image.sector,
        table,
        signature,
        used: None,
    };
    let mut disks = Disks::default();
    let Some(mut table) = image.table.clone() else {
        return disks;
    };
    // Its backup was not read, which is no fault of it.
    table.repair = None;
    for (number, entry) in &table.partitions {
        let size = entry.sectors().saturating_mul(image.sector);
        let node = partition_node(node, *number);
        disks
            .blocks
            .insert(node, block(size, TableState::None, Signature::Unknown));
    }
    let whole = block(image.size, TableState::Gpt(table), Signature::Blank);
    disks.blocks.insert(node.into(), whole);
    disks
}

fn look(target: &Target, files: &mut Vec<Found>, notes: &mut Vec<String>) {
    let Some((block, TableState::Gpt(table))) = target.block().map(|block| (block, &block.table))
    else {
        return;
    };
    for (number, entry) in &table.partitions {
        let wanted: Vec<&str> = (FILES.iter())
            .filter(|(label, _)| *label == entry.label)
            .map(|(_, path)| *path)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let partition = Partition {
            disk: target.node.clone(),
            node: None,
            number: *number,
            label: entry.label.clone(),
            start: entry.start.saturating_mul(block.sector),
            size: entry.sectors().saturating_mul(block.sector),
        };
        let found = apply::mounted(&partition, false, |mount| {
            Ok(wanted
                .iter()
                .filter_map(|path| {
                    let read = mount.read(&SysPath::parse(path).ok()?, LIMIT);
                    Some((*path, read.ok()??))
                })
                .collect::<Vec<_>>())
        });
        match found {
            Ok(found) => files.extend(found.into_iter().map(|(path, bytes)| Found {
                partition: entry.label.clone(),
                path: path.into(),
                size: bytes.len(),
                sha256: hex::encode(&Sha256::digest(&bytes)),
            })),
            Err(error) => notes.push(format!("{partition} was not looked at: {error}")),
        }
    }
}

/// Plans to put files into an image that is not packed; nothing else of it changes.
pub fn customize(path: &Path, wanted: &Wanted) -> Result<Plan, InstallError> {
    let target = survey::target(path)?;
    let Some(block) = target.block().filter(|_| target.kind == Kind::File) else {
        return Err(InstallError::Asked(format!(
            "{} is no file with an image: to write to a disk use \"pilotlight install\"",
            path.display()
        )));
    };
    let TableState::Gpt(table) = &block.table else {
        return Err(InstallError::Asked(format!(
            "{} has no GPT: a packed image is customized while it is unpacked, by \"pilotlight install -d NEW -f {0}\"",
            path.display()
        )));
    };
    let image = Image {
        shown: target.node.clone(),
        size: block.size,
        content: block.size,
        sector: block.sector,
        table: Some(table.clone()),
    };
    plan::customize(&target, &image, wanted).map_err(InstallError::Refused)
}
