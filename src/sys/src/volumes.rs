//! RAID arrays and encrypted volumes, by mdadm, cryptsetup and clevis.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use pilotlight_core::facts::disks::{BEING_MADE, NEW_ARRAY};
use pilotlight_core::hex;
use pilotlight_core::op::{VolumeOp, array_node, volume_node};
use pilotlight_core::ordered::Gather as _;

use sha2::{Digest as _, Sha256};

use crate::disk_error::during;
use crate::tool::{self, ToolError};
use crate::{disks, maps, settle, table_edits};

/// Why an operation on a volume failed.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// What a program made did not appear.
    #[error("{node} did not appear after \"{program}\" had ended: {cause}")]
    Missing {
        /// The device.
        node: String,
        /// The program.
        program: &'static str,
        /// How long it was waited for.
        cause: io::Error,
    },
    /// A key could not be kept or read.
    #[error("while {action} the key of the volume {name:?}: {cause}")]
    Key {
        /// What was done.
        action: &'static str,
        /// Name of the volume.
        name: String,
        /// The reason.
        cause: io::Error,
    },
    /// clevis has no token that unlocks the volume.
    #[error("clevis could not unlock {device}: {said}")]
    Locked {
        /// The device.
        device: String,
        /// What it said of each of its bindings.
        said: String,
    },
    /// Preparing the device failed.
    #[error(transparent)]
    Disk(#[from] disks::DiskError),
}

/// The keys of encrypted volumes while a machine is provisioned: a file each in a directory that is in
/// memory and root's alone.
#[derive(Debug, Clone)]
pub struct KeyStore {
    directory: PathBuf,
}

/// What the names of key files begin with: a volume's name may look like a temporary one.
const KEY: &str = "key-";

/// Bytes of randomness in a generated key. They are written as hexadecimal digits, so that the key file
/// can be typed.
const KEY_BYTES: usize = 64;

impl KeyStore {
    /// Keys in this directory, which is made with the first key.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Where the key of a volume is. Validation lets no name pass that leads out of the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{KEY}{name}"))
    }

    /// Keeps a key.
    pub fn put(&self, name: &str, key: &[u8]) -> Result<(), VolumeError> {
        crate::replace_file(&self.path(name), key, 0o600).map_err(|cause| VolumeError::Key {
            action: "keeping",
            name: name.into(),
            cause,
        })
    }

    /// The volumes that have a key here, and the keys' SHA-256.
    pub fn digests(&self) -> BTreeMap<String, String> {
        (fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten())
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = file.strip_prefix(KEY)?;
            let key = fs::read(entry.path()).ok()?;
            Some((name.into(), hex::encode(&Sha256::digest(&key))))
        })
        .gather()
    }

    /// Forgets the key of a volume.
    pub fn remove(&self, name: &str) -> Result<(), VolumeError> {
        match fs::remove_file(self.path(name)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(VolumeError::Key {
                action: "forgetting",
                name: name.into(),
                cause,
            }),
            _ => Ok(()),
        }
    }

    /// Forgets all keys.
    pub fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes up a key. It is kept before it is used, so that a stage that is run again finds it.
    fn generate(&self, name: &str) -> Result<(), VolumeError> {
        let mut key = [0; KEY_BYTES];
        let mut filled = 0;
        while filled < key.len() {
            // Blocks until the kernel's generator is seeded (getrandom(2)).
            let flags = rustix::rand::GetRandomFlags::empty();
            filled += rustix::rand::getrandom(&mut key[filled..], flags).map_err(|error| {
                VolumeError::Key {
                    action: "making",
                    name: name.into(),
                    cause: error.into(),
                }
            })?;
        }
        self.put(name, hex::encode(&key).as_bytes())
    }

    /// The path as an argument.
    fn argument(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }
}

/// Performs one operation.
pub fn apply(op: &VolumeOp, keys: &KeyStore) -> Result<(), VolumeError> {
    match &op.on_devices(maps::real) {
        VolumeOp::StopArray { node, .. } => {
            tool::run("mdadm", &["--stop", node], None)?;
        }
        VolumeOp::AssembleArray {
            name,
            members,
            finish,
            ..
        } => {
            start_array(&array_node(name), members, *finish)?;
        }
        VolumeOp::CreateArray {
            name,
            level,
            members,
            spares,
            options,
            ..
        } => create_array(name, level, members, *spares, options)?,
        VolumeOp::CloseVolume { name, .. } => {
            tool::run("cryptsetup", &["close", name], None)?;
        }
        VolumeOp::FormatVolume {
            name,
            device,
            label,
            uuid,
            generated,
            options,
        } => {
            if *generated {
                keys.generate(name)?;
            }
            let key = keys.argument(name);
            let mut arguments = vec!["luksFormat", "--type", "luks2", "--batch-mode"];
            arguments.extend(["--key-file", &key, "--subsystem", BEING_MADE]);
            arguments.extend(label.iter().flat_map(|label| ["--label", label]));
            arguments.extend(uuid.iter().flat_map(|uuid| ["--uuid", uuid]));
            arguments.extend(options.iter().map(String::as_str));
            arguments.push(device);
            let _held = hold([device])?;
            tool::run("cryptsetup", &arguments, None)?;
        }
        VolumeOp::BindVolume {
            name,
            device,
            pin,
            config,
            ..
        } => {
            let key = keys.argument(name);
            let arguments = ["luks", "bind", "-f", "-k", &key, "-d", device, pin, config];
            tool::run("clevis", &arguments, None).map_err(|error| error.without(config))?;
        }
        VolumeOp::OpenVolume {
            name,
            device,
            by_clevis,
            discard,
            options,
        } => {
            let mut arguments = vec!["luksOpen", "--persistent"];
            arguments.extend(discard.then_some("--allow-discards"));
            arguments.extend(options.iter().map(String::as_str));
            let _held = hold([device])?;
            if *by_clevis {
                let password = by_clevis_unlocked(device)?;
                arguments.extend(["--key-file", "-", device, name]);
                tool::run("cryptsetup", &arguments, Some(&password))?;
            } else {
                let key = keys.argument(name);
                arguments.extend(["--key-file", &key, device, name]);
                tool::run("cryptsetup", &arguments, None)?;
            }
            wait_for(&volume_node(name), "cryptsetup")?;
        }
        VolumeOp::RemoveKey { name, device } => {
            let key = keys.argument(name);
            let arguments = ["luksRemoveKey", "--batch-mode", device, &key];
            tool::run("cryptsetup", &arguments, None)?;
            keys.remove(name)?;
        }
        VolumeOp::FinishVolume { device, label } => {
            // The label is written along with the subsystem: one that is not given would be lost.
            let arguments = ["config", device, "--label", label, "--subsystem", ""];
            tool::run("cryptsetup", &arguments, None)?;
        }
    }
    Ok(())
}

/// Starts an array. `any` as the host lets every machine start it under its name (mdadm(8), "--homehost").
fn start_array(node: &str, members: &[String], finish: bool) -> Result<(), VolumeError> {
    let mut arguments = vec!["--assemble", node];
    if finish {
        arguments.extend(["--update", "homehost", "--homehost", "any"]);
    }
    arguments.extend(members.iter().map(String::as_str));
    let held = hold(members)?;
    tool::run("mdadm", &arguments, None)?;
    drop(held);
    wait_for(node, "mdadm")
}

/// Makes an array under the host [`NEW_ARRAY`], and gives it its host when all members are written: mdadm
/// writes them one after the other, and a power cut in between must be told from an array with data.
fn create_array(
    name: &str,
    level: &str,
    members: &[String],
    spares: u32,
    options: &[String],
) -> Result<(), VolumeError> {
    let node = array_node(name);
    let spares = usize::try_from(spares).unwrap_or(usize::MAX);
    let active = members.len().saturating_sub(spares).to_string();
    let spares = spares.to_string();
    let mut arguments = vec![
        "--create",
        &node,
        "--force",
        "--run",
        "--homehost",
        NEW_ARRAY,
    ];
    arguments.extend(["--level", level, "--raid-devices", &active]);
    if spares != "0" {
        arguments.extend(["--spare-devices", &spares]);
    }
    arguments.extend(options.iter().map(String::as_str));
    arguments.extend(members.iter().map(String::as_str));
    let held = hold(members)?;
    tool::run("mdadm", &arguments, None)?;
    drop(held);
    wait_for(&node, "mdadm")?;
    // What lay where the array's data begin is not the array's.
    table_edits::wipe(&node)?;
    // Members without a name (superblocks of version 0.90) need no other one.
    let first = members.first().map(String::as_str).unwrap_or_default();
    if disks::label(first)?.starts_with(NEW_ARRAY) {
        tool::run("mdadm", &["--stop", &node], None)?;
        start_array(&node, members, true)?;
    }
    Ok(())
}

/// What clevis answers as the password of one of its bindings.
fn by_clevis_unlocked(device: &str) -> Result<Vec<u8>, VolumeError> {
    let list = tool::run("clevis", &["luks", "list", "-d", device], None)?;
    let list = String::from_utf8_lossy(&list).into_owned();
    let mut said = Vec::new();
    // "1: sss '{…}'"
    for slot in list.lines().filter_map(|line| line.split_once(':')) {
        match tool::run(
            "clevis",
            &["luks", "pass", "-d", device, "-s", slot.0.trim()],
            None,
        ) {
            Ok(password) => return Ok(password),
            Err(error) => said.push(error.to_string()),
        }
    }
    if said.is_empty() {
        said.push("it is not bound to it".into());
    }
    Err(VolumeError::Locked {
        device: device.into(),
        said: said.join("; "),
    })
}

/// Opens devices once they are there, so that nobody takes them away while a program works on them.
fn hold<'a>(devices: impl IntoIterator<Item = &'a String>) -> Result<Vec<fs::File>, VolumeError> {
    let open = |device: &String| {
        let held = settle::hold(device).map_err(during("opening", device));
        held.map_err(VolumeError::from)
    };
    devices.into_iter().map(open).collect()
}

fn wait_for(node: &str, program: &'static str) -> Result<(), VolumeError> {
    settle::appear(node).map_err(|cause| VolumeError::Missing {
        node: node.into(),
        program,
        cause,
    })
}
